# The mesh-wide base: what `mesh.yaml` and the package `mesh` deny, whatever a service says, and declared or not.
package sidegate.authz

base_agrees if {
	data.sidegate.base
	not base_denies
}

base_denies if denied(data.sidegate.base.deny)

# Which path is meant cannot be told, so it may be one that is denied. Requests of services that are enforced are
# refused for that in any case; others would go on.
base_denies if {
	not folded_path
	some id, _ in data.sidegate.base.deny.clauses
	deny_clause(data.sidegate.base.deny, id)
}

base_denies if {
	data.sidegate.base.rego.deny
	counts(data.mesh.deny)
}

deciding contains [4, "data.mesh.deny"] if {
	data.sidegate.base.rego.deny
	counts(data.mesh.deny)
}
