# A decision with headers, in the Rego that regorus's virtual machine compiles too.
package bench.headers

import rego.v1

http := input.attributes.request.http

caller := data.callers[input.source_principal]

default allowed := false

allowed if {
	some grant in caller.grants
	http.method in grant.methods
	input.parsed_path[0] == grant.path
}

default decision := {"allowed": false, "http_status": 403}

decision := {
	"allowed": true,
	"headers": {"x-caller": input.source_principal, "x-team": caller.team},
	"request_headers_to_remove": ["x-debug"],
	"response_headers_to_add": {"x-policy": "bench"},
} if allowed
