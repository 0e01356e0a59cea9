package hygiene_test

import data.hygiene

test_an_allowed_request_is_cleaned if {
	cleaned := hygiene.cleaned(true)
	cleaned.allowed
	"x-original-url" in cleaned.request_headers_to_remove
	"x-webauth-" in cleaned.request_header_prefixes_to_remove
}

test_a_decision_keeps_what_it_says if {
	decision := {
		"allowed": true,
		"headers": {"x-user": "web"},
		"request_headers_to_remove": ["x-mine"],
		"request_header_prefixes_to_remove": ["x-own-"],
		"response_headers_to_add": {"a": "b"},
	}
	cleaned := hygiene.cleaned(decision)
	cleaned.headers == {"x-user": "web"}
	cleaned.response_headers_to_add == {"a": "b"}
	"x-mine" in cleaned.request_headers_to_remove
	"x-own-" in cleaned.request_header_prefixes_to_remove
	not "x-user" in cleaned.request_headers_to_remove
}

test_a_deny_stays_one if {
	hygiene.cleaned(false) == false
	hygiene.cleaned({"allowed": false, "http_status": 404}) == {"allowed": false, "http_status": 404}
}

answer(headers) := decision if {
	decision := hygiene.response with input as {"response": {"status": 200, "headers": headers}}
}

test_responses if {
	json_response := answer({"content-type": "application/json"})
	json_response.response_headers_to_set == {"x-content-type-options": "nosniff"}
	"server" in json_response.response_headers_to_remove
	answer({}).response_headers_to_set == {"x-content-type-options": "nosniff"}
	answer({"content-type": "application/grpc+proto"}).response_headers_to_set == {}
}

test_a_page_may_say_something_else if {
	page := answer({"content-type": "Text/HTML; charset=utf-8", "x-frame-options": "SAMEORIGIN"})
	page.response_headers_to_set == {
		"content-security-policy": "frame-ancestors 'none'",
		"referrer-policy": "strict-origin-when-cross-origin",
		"x-content-type-options": "nosniff",
	}
}
