# Which rule decided, for who reads the log of decisions: advice, on which no decision depends. In the words that
# `sidegate explain` uses; of several rules the first.
#
# What a rule asks for stands before it: regorus's interpreter, which `sidegate test` compares with, needs it.
package sidegate.authz

# Clauses stand in the order of their rules.
first(side, ids) := side.clauses[min(ids)].rule

of_service(words) := concat("", [workload.namespace, "/", service_name, " ", words])

# Clauses of this path.
clauses_of(side, whole, parts) := [id |
	some ids in [
		side.any,
		[id | some id in side.exact[whole]],
		[id | some shape in side.lengths[count(parts)]; some id in shape.paths[path_key(shape.mask, parts)]],
		[id |
			some shape in side.open
			count(parts) >= shape.least
			some id in shape.paths[path_key(shape.mask, parts)]
		],
	]
	some id in ids
]

deny_ids(side) := [id | some id in clauses_of(side, folded_path, folded_segments); deny_clause(side, id)]

base_deny_ids := deny_ids(data.sidegate.base.deny) if folded_path

base_deny_ids := [id | some id, _ in data.sidegate.base.deny.clauses; deny_clause(data.sidegate.base.deny, id)] if {
	not folded_path
}

allow_ids := [id | some id in clauses_of(service.allow, path, segments); allow_clause(id)]

# All that decided, or would have if nothing before it did.
deciding contains [1, of_service("odd path")] if not path_is_plain

deciding contains [2, concat("", ["mesh deny[", first(data.sidegate.base.deny, base_deny_ids), "]"])]

deciding contains [3, of_service(concat("", ["deny[", first(service.deny, deny_ids(service.deny)), "]"]))]

# Numbers 4 to 6, and 8, are for Rego beside what is declared.
deciding contains [7, of_service(concat("", ["allow[", first(service.allow, allow_ids), "]"]))]

deciding contains [9, of_service("no rule")]

deciding contains [9, concat("", [workload.namespace, "/", workload.name, " undeclared"])] if undeclared

rule := min(deciding)[1]
