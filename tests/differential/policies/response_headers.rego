# Headers to the client.
package differential.response_headers

allow := {"allowed": true, "response_headers_to_add": {"x-frame-options": "DENY", "x-upstream": "policy"}}
