package sidegate.callers_test

import data.sidegate.authz_test as lib

from(principal) := lib.request("GET", "/", principal)

several := object.union(
	from(lib.web),
	{"sidegate": {"source": {"uri_sans": [lib.web, "spiffe://partner/ns/a/sa/b"]}}},
)

unknown_own := {"attributes": {
	"source": {"principal": lib.web},
	"request": {"http": {"method": "GET", "path": "/", "headers": {}}},
}}

allowed(callers, question) if lib.allows({"allow": lib.table([lib.clause], callers, {"any": [0]})}, question)

denied(callers, question) if {
	everybody := {"authenticated": {"0": true}, "anonymous": {"0": true}}
	service := {
		"allow": lib.table([lib.clause], everybody, {"any": [0]}),
		"deny": lib.table([lib.clause], callers, {"any": [0]}),
	}
	not lib.allows(service, question)
}

rule := {"0": true}

# Name, table, who it is, who it is not.
tables := {
	"sa": [{"sa": {"shop": {"web": rule}}}, [lib.web, "spiffe://old.example/ns/shop/sa/web"], [
		"spiffe://partner/ns/shop/sa/web",
		"spiffe://cluster.local/ns/shop/sa/webx",
		"spiffe://cluster.local/ns/shop/sa/web/",
		"spiffe://cluster.local/ns/shop/sa/",
		"spiffe://cluster.local/ns//sa/web",
		"spiffe:///ns/shop/sa/web",
		"https://cluster.local/ns/shop/sa/web",
		"",
	]],
	"ns": [{"ns": {"shop": rule}}, [lib.web], ["spiffe://partner/ns/shop/sa/web", ""]],
	"td_sa": [
		{"td_sa": {"partner": {"a": {"b": rule}}}},
		["spiffe://partner/ns/a/sa/b"],
		["spiffe://cluster.local/ns/a/sa/b", "spiffe://partner/ns/a/sa/c"],
	],
	"td_ns": [
		{"td_ns": {"partner": {"a": rule}}},
		["spiffe://partner/ns/a/sa/b"],
		["spiffe://cluster.local/ns/a/sa/b", "spiffe://partner/ns/b/sa/b"],
	],
	"td": [{"td": {"partner": rule}}, ["spiffe://partner/ns/a/sa/b"], [lib.web, "spiffe://partnerx/ns/a/sa/b"]],
	"principal": [{"principal": {"spiffe://td/x": rule}}, ["spiffe://td/x"], ["spiffe://td/x/", lib.web]],
	"authenticated": [{"authenticated": rule}, [lib.web, "CN=x"], [""]],
	"anonymous": [{"anonymous": rule}, [""], [lib.web]],
}

test_allows[name] if {
	some name, [callers, yes, no] in tables
	every principal in yes {
		allowed(callers, from(principal))
	}
	every principal in no {
		not allowed(callers, from(principal))
	}
}

test_denies[name] if {
	some name, [callers, yes, no] in tables
	every principal in yes {
		denied(callers, from(principal))
	}
	every principal in no {
		not denied(callers, from(principal))
	}
}

test_any_name_of_a_trust_domain_is_denied if denied({"td": {"partner": rule}}, from("spiffe://partner/x"))

test_everyone if {
	denied({"everyone": rule}, from(""))
	denied({"everyone": rule}, from(lib.web))
}

# Several names are nobody for an allow, and each of them for a deny.
test_several_names[name] if {
	some name, [callers, _, _] in tables
	not allowed(callers, several)
}

test_several_names_denied[name] if {
	some name in {"sa", "ns", "td_sa", "td_ns", "td", "authenticated"}
	denied(tables[name][0], several)
}

# Who does not know its own trust domain allows nobody by it, and denies whoever it could be.
test_own_trust_domain_unknown if {
	not allowed(tables.ns[0], unknown_own)
	not allowed(tables.sa[0], unknown_own)
	not lib.allows({"allow": lib.everything}, unknown_own)
	authenticated := lib.table([lib.clause], {"authenticated": rule}, {"any": [0]})
	every name in {"sa", "ns"} {
		denies := lib.table([lib.clause], tables[name][0], {"any": [0]})
		not lib.allows({"allow": authenticated, "deny": denies}, unknown_own)
	}
}

# A name that is not the principal: somebody, but nobody who is allowed.
test_a_name_without_a_principal if {
	question := object.union(from(""), {"sidegate": {"source": {"uri_sans": [lib.web]}}})
	not allowed({"anonymous": rule, "authenticated": rule, "ns": {"shop": rule}}, question)
	denied({"ns": {"shop": rule}}, question)
}
