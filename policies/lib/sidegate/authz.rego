# What a declaration means (docs/declare.md). `sidegate build` adds this package to folders with
# `services/<namespace>/<service>.yaml`; `data.sidegate` is made from those files.
#
# Rules are found by lookups: what a decision costs depends on how many different shapes of paths a service
# has, and on the rules that speak of the path that is asked for, not on the number of callers or services.
package sidegate.authz

default decision := {"allowed": false, "http_status": 403}

# METADATA
# title: The decision about a request
# description: In the form that OPA's Envoy plugin takes
# entrypoint: true
decision := answer if not service.mode

# Nobody has declared this workload: what becomes of its requests is the proxy's to say, but for what the mesh denies.
decision := {"allowed": false, "http_status": 403, "undeclared": true} if {
	undeclared
	base_agrees
}

undeclared if {
	is_string(workload.namespace)
	is_string(workload.name)
	not service_name
}

service_name := data.sidegate.workloads[workload.namespace][workload.name]

service := data.sidegate.services[workload.namespace][service_name]

answer := {"allowed": true} if {
	allowed
	not service.headers
}

# Deny beats allow. Denies are looked at only where they can be: on a path that means one thing. What a file of the
# library has to find out is asked for by name, so that nothing is allowed where it is missing.
allowed if {
	path_is_plain
	permitted
	denies_can_be_read
	not some_deny
	base_agrees
	rego_agrees
}

permitted if {
	not service.rego.allow
	some_allow
}

denies_can_be_read if not service.deny

denies_can_be_read if folded_path

some_deny if denied(service.deny)

# No mesh-wide base, no Rego beside the declaration: nothing to ask.
base_agrees if not data.sidegate.base

rego_agrees if not service.rego.deny

some_allow if {
	path_is_plain
	some id in service.allow.any
	allow_clause(id)
}

some_allow if {
	path_is_plain
	some id in service.allow.exact[path]
	allow_clause(id)
}

some_allow if {
	path_is_plain
	some shape in service.allow.lengths[count(segments)]
	some id in shape.paths[path_key(shape.mask, segments)]
	allow_clause(id)
}

some_allow if {
	path_is_plain
	some shape in service.allow.open
	count(segments) >= shape.least
	some id in shape.paths[path_key(shape.mask, segments)]
	allow_clause(id)
}

allow_clause(id) if {
	clause := service.allow.clauses[id]
	allow_caller(clause.rule)
	allow_method(clause)
	every test in clause.tests {
		holds(test)
	}
}

allow_method(clause) if not clause.methods

allow_method(clause) if clause.methods[input.attributes.request.http.method]
