# Rego beside a declaration: `deny` denies, `allow` narrows what the declaration allows, or widens it where the mesh
# lets it. Paths have to be plain for it, too.
package sidegate.authz

permitted if {
	service.rego.allow == "narrow"
	some_allow
	rego_allows
}

permitted if {
	service.rego.allow == "widen"
	some_allow
}

permitted if {
	service.rego.allow == "widen"
	rego_allows
}

rego_agrees if {
	service.rego.deny
	not rego_denies
}

rego_allows if data.services[workload.namespace][service_name].allow == true

rego_denies if counts(data.services[workload.namespace][service_name].deny)

# For the log: which of it decided.
deciding contains [5, of_rego("deny")] if {
	service.rego.deny
	rego_denies
}

deciding contains [6, of_rego("allow")] if {
	service.rego.allow == "narrow"
	some_allow
	not rego_allows
}

deciding contains [8, of_rego("allow")] if {
	service.rego.allow == "widen"
	rego_allows
}

of_rego(name) := concat(".", ["data.services", workload.namespace, service_name, name])
