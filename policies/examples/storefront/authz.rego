# Who may call the storefront's order service, and what the service learns of its callers.
#
# The decision is an object, as OPA's Envoy plugin has it: `allowed`, and what happens to headers.
package storefront.authz

import rego.v1

http := input.attributes.request.http

# The caller by its certificate. Without mTLS there is none, whatever the request's headers say.
caller := data.callers[input.source_principal]

default allowed := false

# Probes come in plaintext.
allowed if {
	http.method == "GET"
	input.parsed_path == ["healthz"]
}

allowed if {
	some grant in caller.grants
	http.method in grant.methods
	under(grant.path)
	not needs_approval
}

# Refunds need someone's name on them, even from those who may make them.
allowed if {
	"refund" in caller.may
	needs_approval
	approver in data.approvers
}

needs_approval if input.parsed_path[0] == "refunds"

approver := http.headers["x-approved-by"]

# The grant's path is the request's, or leads to it.
under(path) if {
	every index, segment in path {
		input.parsed_path[index] == segment
	}
}

# What the service may rely on: set here, whatever the client sent.
headers["x-caller"] := input.source_principal

headers["x-team"] := caller.team

headers["x-approved-by"] := approver if needs_approval

# What must not reach it.
debugging contains name if {
	some name, _ in http.headers
	startswith(name, "x-debug-")
}

reason := "no client certificate" if {
	not input.source_principal
} else := "unknown caller" if {
	not caller
} else := "a refund needs x-approved-by" if {
	needs_approval
} else := "not granted"

decision := {
	"allowed": true,
	"headers": headers,
	"request_headers_to_remove": [name | some name in debugging],
	"response_headers_to_add": {"x-policy": "storefront"},
} if allowed

decision := {
	"allowed": false,
	"http_status": status,
	"headers": {"content-type": "application/json"},
	"body": json.marshal({"error": reason}),
} if not allowed

default status := 403

status := 401 if not input.source_principal
