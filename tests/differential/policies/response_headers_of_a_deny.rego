# Not looked at when it denies.
package differential.response_headers_of_a_deny

allow := {"allowed": false, "response_headers_to_add": {"x-frame-options": "DENY"}, "headers": {"x-why": "never"}}
