# Denies: those of a service, and those of the mesh-wide base. A deny holds unless something says for certain that it
# does not.
package sidegate.authz

# Whether any of these denies holds, on a path that can be read.
denied(side) if {
	some id in side.any
	deny_clause(side, id)
}

denied(side) if {
	some id in side.exact[folded_path]
	deny_clause(side, id)
}

denied(side) if {
	some shape in side.lengths[count(folded_segments)]
	some id in shape.paths[path_key(shape.mask, folded_segments)]
	deny_clause(side, id)
}

denied(side) if {
	some shape in side.open
	count(folded_segments) >= shape.least
	some id in shape.paths[path_key(shape.mask, folded_segments)]
	deny_clause(side, id)
}

deny_clause(side, id) if {
	clause := side.clauses[id]
	deny_caller(side.callers, clause.rule)
	not other_method(clause)
	every test in clause.tests {
		not fails(test)
	}
}

other_method(clause) if {
	clause.methods
	method := upper(input.attributes.request.http.method)
	not clause.methods[method]
}

# What Rego gives for `deny` denies, unless it is false or empty.
counts(value) if not nothing(value)

nothing(value) if value == false

nothing(value) if value == ""

nothing(value) if value == []

nothing(value) if value == {}

nothing(value) if value == set()
