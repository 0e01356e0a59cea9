# Connections that are not HTTP, as far as the proxy knows. There is no method, path or header: a rule that asks for one
# of these allows nothing, and a deny that does holds whatever it asks for, since the bytes may mean anything.
#
# What a rule asks for stands before it: regorus's interpreter, which `sidegate test` compares with, needs it.
package sidegate.authz

connection_base_denies if data.sidegate.base.rego.deny

connection_base_denies if {
	some id, _ in data.sidegate.base.deny.clauses
	deny_clause(data.sidegate.base.deny, id)
}

connection_base_agrees if not data.sidegate.base

connection_base_agrees if {
	data.sidegate.base
	not connection_base_denies
}

connection_some_deny if {
	some id, _ in service.deny.clauses
	deny_clause(service.deny, id)
}

# Rego beside a declaration is about requests: what it would deny of a connection, or narrow, nobody can say.
rego_is_about_requests if service.rego.deny

rego_is_about_requests if service.rego.allow == "narrow"

connection_allowed if {
	some id in service.allow.any
	allow_clause(id)
	not rego_is_about_requests
	not connection_some_deny
	connection_base_agrees
}

default network_decision := {"allowed": false}

network_decision := {"allowed": false, "undeclared": true} if {
	undeclared
	connection_base_agrees
}

network_decision := {"allowed": true, "mode": "shadow"} if {
	service.mode == "shadow"
	connection_allowed
}

network_decision := {"allowed": false, "mode": "shadow"} if {
	service.mode == "shadow"
	not connection_allowed
	connection_base_agrees
}

# METADATA
# title: The decision about a connection
# description: For the proxy's `network_entrypoint`
# entrypoint: true
network_decision := {"allowed": true} if {
	connection_allowed
	not service.mode
}
