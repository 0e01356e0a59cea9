package services.backoffice.refunds_test

import data.services.backoffice.refunds

request(method, headers) := {"attributes": {
	"source": {"principal": "spiffe://cluster.local/ns/edge/sa/gateway"},
	"destination": {"principal": "spiffe://cluster.local/ns/backoffice/sa/refunds"},
	"request": {"http": {
		"method": method,
		"path": "/refunds/1",
		"host": "backoffice.example.com",
		"headers": object.union(headers, {"x-device": "managed-1"}),
	}},
}}

test_a_refund_needs_a_ticket if {
	refunds.deny == {"a refund without a ticket"} with input as request("POST", {})
	refunds.deny == {"a refund without a ticket"} with input as request("POST", {"x-ticket": "please"})
	refunds.deny == set() with input as request("POST", {"x-ticket": "PAY-1"})
	refunds.deny == set() with input as request("GET", {})
}

# Declaration, Rego and mesh together: what the proxy is told.
test_the_decision if {
	allowed("POST", {"x-ticket": "PAY-1"})
	not allowed("POST", {})
}

allowed(method, headers) if {
	decision := data.sidegate.authz.decision with input as request(method, headers)
		with data.sidegate.workload as {"namespace": "backoffice", "name": "refunds"}
	decision.allowed
}
