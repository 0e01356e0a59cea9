package sidegate.shadow_test

import data.sidegate.authz_test as lib

get := lib.request("GET", "/x", lib.web)

test_the_decision_says_shadow if {
	lib.answer({"mode": "shadow", "allow": lib.everything}, get) == {"allowed": true, "mode": "shadow"}
	lib.answer({"mode": "shadow"}, get) == {"allowed": false, "http_status": 403, "mode": "shadow"}
	lib.answer({"mode": "shadow", "allow": lib.everything, "headers": {
		"request": {"set": {}, "remove": ["x-debug"]},
		"response": {"set": {}, "remove": []},
	}}, get) == {
		"allowed": true,
		"mode": "shadow",
		"headers": {},
		"request_headers_to_remove": ["x-debug"],
		"response_headers_to_set": {},
		"response_headers_to_remove": [],
	}
}

test_another_mode_allows_nothing if {
	lib.answer({"mode": "audit", "allow": lib.everything}, get) == {"allowed": false, "http_status": 403}
}
