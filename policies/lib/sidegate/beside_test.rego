package sidegate.beside_test

import data.sidegate.authz_test as lib

get := lib.request("GET", "/x", lib.web)

odd := lib.request("GET", "/x//y", lib.web)

stranger := lib.request("GET", "/x", "spiffe://cluster.local/ns/other/sa/web")

allows(rego, beside, question) if {
	service := {"allow": lib.everything, "rego": rego}
	lib.allows(service, question) with data.services.pay.charges as beside
}

test_deny_denies if {
	every value in [true, 0, null, "no", ["no"], {"no"}, {"no": false}] {
		not allows({"deny": true}, {"deny": value}, get)
	}
	every value in [false, "", [], {}, set()] {
		allows({"deny": true}, {"deny": value}, get)
	}
	allows({"deny": true}, {}, get)
}

test_allow_narrows if {
	allows({"allow": "narrow"}, {"allow": true}, get)
	not allows({"allow": "narrow"}, {"allow": true}, stranger)
	every value in [false, 1, "true", {"x"}, {"allowed": true}, null] {
		not allows({"allow": "narrow"}, {"allow": value}, get)
	}
	not allows({"allow": "narrow"}, {}, get)
}

test_allow_widens_where_it_may if {
	allows({"allow": "widen"}, {"allow": true}, stranger)
	allows({"allow": "widen"}, {"allow": false}, get)
	allows({"allow": "widen"}, {}, get)
	not allows({"allow": "widen"}, {"allow": false}, stranger)
	not allows({"allow": "widen"}, {"allow": "true"}, stranger)
}

test_what_is_widened_is_still_denied if {
	not allows({"allow": "widen"}, {"allow": true}, odd)
	not allows({"allow": "widen", "deny": true}, {"allow": true, "deny": {"no"}}, get)
	rego := {"allow": "widen"}
	deny := lib.table([lib.clause], {"everyone": {"0": true}}, {"any": [0]})
	service := {"deny": deny, "rego": rego}
	not lib.allows(service, get) with data.services.pay.charges as {"allow": true}
	lib.allows({"rego": rego}, get) with data.services.pay.charges as {"allow": true}
	base := {"deny": deny}
	not lib.allows({"rego": rego}, get) with data.services.pay.charges as {"allow": true} with data.sidegate.base as base
}

# Neither word: what the library does not know allows nothing.
test_another_word_allows_nothing if {
	not allows({"allow": "replace"}, {"allow": true}, get)
}
