package sidegate.rule_test

import data.sidegate.authz
import data.sidegate.authz_test as lib

get := lib.request("GET", "/x", lib.web)

odd := lib.request("GET", "//x", lib.web)

everyone := {"everyone": {"0": true, "1": true}}

second := {"rule": "1", "tests": []}

# The second rule is for any path, the first for some.
shapes := {
	"any": [4],
	"exact": {"/exact": [0]},
	"lengths": [[], [], [], [{"mask": ["", "", "{}"], "least": 3, "paths": {"/closed/{}": [1]}}]],
	"open": [{"mask": ["", "", "{}"], "least": 4, "paths": {"/open/{}": [2]}}],
}

clauses := [lib.clause, lib.clause, lib.clause, lib.clause, second]

side := lib.table(clauses, object.union(everyone, {"ns": {"shop": {"0": true, "1": true}}}), shapes)

nothing := lib.table([lib.clause], everyone, {})

ruled(service, question) := rule if {
	document := lib.only(service)
	rule := authz.rule with data.sidegate.services as document.services
		with data.sidegate.workloads as document.workloads
		with data.sidegate.workload as document.workload
		with data.sidegate.trust_domain_aliases as document.trust_domain_aliases
		with input as question
}

in_mesh(base, service, question) := rule if {
	rule := ruled(service, question) with data.sidegate.base as base
}

nobodys(base, question) := rule if {
	document := lib.only({})
	rule := authz.rule with data.sidegate.workloads as {}
		with data.sidegate.workload as document.workload
		with data.sidegate.base as base
		with input as question
}

paths := {"/exact": 0, "/closed/1": 0, "/open/1/2": 0, "/closed": 1, "/open/1": 1, "/other": 1}

test_the_first_that_allows if {
	every path, rule in paths {
		ruled({"allow": side}, lib.request("GET", path, lib.web)) == sprintf("pay/charges allow[%d]", [rule])
	}
	ruled({"allow": side, "deny": nothing}, get) == "pay/charges allow[1]"
	ruled({"allow": side, "mode": "shadow"}, get) == "pay/charges allow[1]"
}

test_the_first_that_denies if {
	every path, rule in paths {
		request := lib.request("GET", path, lib.web)
		denied := sprintf("deny[%d]", [rule])
		ruled({"allow": side, "deny": side}, request) == concat(" ", ["pay/charges", denied])
		in_mesh({"deny": side}, {"allow": side, "deny": side}, request) == concat(" ", ["mesh", denied])
	}
	ruled({"deny": side}, get) == "pay/charges deny[1]"
}

test_nothing_decided if {
	ruled({}, get) == "pay/charges no rule"
	ruled({"allow": nothing, "deny": nothing}, get) == "pay/charges no rule"
	ruled({"allow": side}, lib.request("GET", "/x", "spiffe://cluster.local/ns/other/sa/web")) == "pay/charges no rule"
}

# Whatever else is true of them: none is asked.
test_odd_paths if {
	ruled({"allow": side, "deny": side}, odd) == "pay/charges odd path"
	in_mesh({"deny": side}, {"allow": side}, odd) == "pay/charges odd path"
}

test_undeclared if {
	nobodys(false, get) == "pay/charges-v1 undeclared"
	nobodys({"deny": nothing}, get) == "pay/charges-v1 undeclared"
	nobodys({"deny": side}, get) == "mesh deny[1]"
	nobodys({"deny": side}, odd) == "mesh deny[0]"
}

test_who_is_asked_about_no_workload_names_no_rule if {
	not authz.rule with data.sidegate.workload as {} with input as get
}

test_rego_beside_it if {
	rego := {"allow": side, "rego": {"deny": true}}
	ruled(rego, get) == "data.services.pay.charges.deny" with data.services.pay.charges as {"deny": ["no"]}
	ruled(rego, get) == "pay/charges allow[1]" with data.services.pay.charges as {"deny": []}
	both := object.union(rego, {"deny": side})
	ruled(both, get) == "pay/charges deny[1]" with data.services.pay.charges as {"deny": true}
}

test_rego_that_narrows if {
	rego := {"allow": side, "rego": {"allow": "narrow"}}
	ruled(rego, get) == "pay/charges allow[1]" with data.services.pay.charges as {"allow": true}
	ruled(rego, get) == "data.services.pay.charges.allow" with data.services.pay.charges as {"allow": false}
	ruled({"rego": rego.rego}, get) == "pay/charges no rule" with data.services.pay.charges as {"allow": true}
}

test_rego_that_widens if {
	rego := {"rego": {"allow": "widen"}}
	ruled(rego, get) == "data.services.pay.charges.allow" with data.services.pay.charges as {"allow": true}
	ruled(rego, get) == "pay/charges no rule" with data.services.pay.charges as {"allow": false}
	both := object.union(rego, {"allow": side})
	ruled(both, get) == "pay/charges allow[1]" with data.services.pay.charges as {"allow": true}
}

test_rego_of_the_mesh if {
	base := {"rego": {"deny": true}}
	in_mesh(base, {"allow": side}, get) == "data.mesh.deny" with data.mesh.deny as {"no"}
	in_mesh(base, {"allow": side}, get) == "pay/charges allow[1]" with data.mesh.deny as set()
	nobodys(base, get) == "data.mesh.deny" with data.mesh.deny as true
}
