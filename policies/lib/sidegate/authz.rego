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
decision := {"allowed": true} if {
	allowed
	not service.headers
}

service := data.sidegate.services[workload.namespace][data.sidegate.workloads[workload.namespace][workload.name]]

# Deny beats allow. Denies are looked at only where they can be: on a path that means one thing.
allowed if {
	some_allow
	denies_can_be_read
	not some_deny
}

denies_can_be_read if not service.deny

denies_can_be_read if folded_path

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

some_deny if {
	some id in service.deny.any
	deny_clause(id)
}

some_deny if {
	some id in service.deny.exact[folded_path]
	deny_clause(id)
}

some_deny if {
	some shape in service.deny.lengths[count(folded_segments)]
	some id in shape.paths[path_key(shape.mask, folded_segments)]
	deny_clause(id)
}

some_deny if {
	some shape in service.deny.open
	count(folded_segments) >= shape.least
	some id in shape.paths[path_key(shape.mask, folded_segments)]
	deny_clause(id)
}

# A deny holds unless something says for certain that it does not.
deny_clause(id) if {
	clause := service.deny.clauses[id]
	deny_caller(clause.rule)
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
