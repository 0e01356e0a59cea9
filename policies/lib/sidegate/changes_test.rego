package sidegate.changes_test

import data.sidegate.authz_test as lib

service := {
	"allow": lib.table([lib.clause], {"authenticated": {"0": true}, "anonymous": {"0": true}}, {"any": [0]}),
	"headers": {
		"request": {"remove": ["x-debug"], "set": {
			"x-who": [{"variable": "source.principal"}],
			"x-ns": [{"text": "ns="}, {"variable": "source.namespace"}],
			"x-sa": [{"variable": "source.service_account"}],
			"x-id": [{"variable": "request.id"}],
			"x-fix": [{"text": "1"}],
		}},
		"response": {"remove": ["server"], "set": {"x-frame-options": [{"text": "DENY"}]}},
	},
}

test_everything_is_known if {
	question := object.union(
		lib.request("GET", "/", lib.web),
		{"attributes": {"request": {"http": {"headers": {"x-request-id": "7"}}}}},
	)
	lib.answer(service, question) == {
		"allowed": true,
		"headers": {"x-who": lib.web, "x-ns": "ns=shop", "x-sa": "web", "x-id": "7", "x-fix": "1"},
		"request_headers_to_remove": ["x-debug"],
		"response_headers_to_set": {"x-frame-options": "DENY"},
		"response_headers_to_remove": ["server"],
	}
}

# What a caller sends in their place does not get through.
test_what_is_not_known_is_removed if {
	answer := lib.answer(service, lib.request("GET", "/", ""))
	answer.headers == {"x-fix": "1"}
	{name | some name in answer.request_headers_to_remove} == {"x-debug", "x-who", "x-ns", "x-sa", "x-id"}
}

test_namespaces_are_of_this_mesh if {
	answer := lib.answer(service, lib.request("GET", "/", "spiffe://partner/ns/shop/sa/web"))
	answer.headers == {"x-who": "spiffe://partner/ns/shop/sa/web", "x-fix": "1"}
}
