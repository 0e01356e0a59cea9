# Run by `sidegate test policies/examples/storefront` and, as they are, by `opa test`.
package storefront.authz_test

import rego.v1

import data.storefront.authz

frontend := "spiffe://cluster.local/ns/web/sa/frontend"

report := "spiffe://cluster.local/ns/jobs/sa/report"

support := "spiffe://cluster.local/ns/backoffice/sa/support"

# A request as the proxy shows it.
request(principal, method, path, headers) := {
	"attributes": {"request": {"http": {"method": method, "headers": headers}}},
	"parsed_path": path,
	"source_principal": principal,
}

# --- who may do what ---

test_granted[name] if {
	some name, tc in {
		"the frontend reads orders": [frontend, "GET", ["orders"]],
		"the frontend makes orders": [frontend, "POST", ["orders"]],
		"the frontend reads one order": [frontend, "GET", ["orders", "17"]],
		"the frontend reads the catalog": [frontend, "GET", ["catalog", "shoes"]],
		"the report reads orders": [report, "GET", ["orders"]],
		"support reads orders": [support, "GET", ["orders", "17"]],
	}
	[principal, method, path] := tc
	authz.decision.allowed with input as request(principal, method, path, {})
}

test_not_granted[name] if {
	some name, tc in {
		"the frontend does not change the catalog": [frontend, "POST", ["catalog"]],
		"the report makes no orders": [report, "POST", ["orders"]],
		"the report does not read the catalog": [report, "GET", ["catalog"]],
		"orders are a segment, not a prefix": [frontend, "GET", ["orders-old"]],
		"above what is granted": [frontend, "GET", [""]],
		"a refund by who may not": [frontend, "POST", ["refunds"]],
	}
	[principal, method, path] := tc
	answer := authz.decision with input as request(principal, method, path, {"x-approved-by": "ada"})
	answer.allowed == false
	answer.http_status == 403
}

test_identity_is_all_of_the_principal[principal] if {
	some principal in [
		"spiffe://cluster.local/ns/web/sa/frontend2",
		"spiffe://other.example/ns/web/sa/frontend",
		"frontend",
		"",
	]
	answer := authz.decision with input as request(principal, "GET", ["orders"], {})
	answer.allowed == false
	json.unmarshal(answer.body).error == "unknown caller"
}

# --- without a certificate ---

test_probe_needs_no_certificate if {
	probe := {"attributes": {"request": {"http": {"method": "GET", "headers": {}}}}, "parsed_path": ["healthz"]}
	authz.allowed with input as probe
}

test_nothing_else_without_a_certificate[name] if {
	some name, tc in {
		"orders": ["GET", ["orders"]],
		"below the probe": ["GET", ["healthz", "more"]],
		"posting to the probe": ["POST", ["healthz"]],
	}
	[method, path] := tc
	http := {"method": method, "headers": {"x-caller": frontend}}
	answer := authz.decision with input as {"attributes": {"request": {"http": http}}, "parsed_path": path}
	answer.allowed == false
	answer.http_status == 401
	json.unmarshal(answer.body).error == "no client certificate"
}

# --- refunds ---

test_refund_with_a_name_on_it if {
	answer := authz.decision with input as request(support, "POST", ["refunds"], {"x-approved-by": "ada"})
	answer.allowed
	answer.headers["x-approved-by"] == "ada"
}

test_refund_without_approval[name] if {
	some name, headers in {
		"nobody": {},
		"somebody who may not": {"x-approved-by": "eve"},
	}
	answer := authz.decision with input as request(support, "POST", ["refunds"], headers)
	answer.allowed == false
	json.unmarshal(answer.body).error == "a refund needs x-approved-by"
}

test_approvers_are_data if {
	refund := request(support, "POST", ["refunds"], {"x-approved-by": "eve"})
	not authz.allowed with input as refund
	authz.allowed with input as refund with data.approvers as ["eve"]
}

# --- headers ---

test_what_the_service_is_told if {
	answer := authz.decision with input as request(frontend, "GET", ["orders"], {"x-team": "forged"})
	answer.headers == {"x-caller": frontend, "x-team": "web"}
	answer.response_headers_to_add == {"x-policy": "storefront"}
}

test_internal_headers_are_removed if {
	headers := {"x-debug-trace": "1", "x-debug-": "2", "x-other": "3"}
	answer := authz.decision with input as request(frontend, "GET", ["orders"], headers)
	answer.request_headers_to_remove == ["x-debug-", "x-debug-trace"]
}

test_not_granted_is_the_last_reason if {
	authz.reason == "not granted" with input as request(report, "POST", ["orders"], {})
}
