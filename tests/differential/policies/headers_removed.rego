# Headers that must not reach the upstream.
# words: x-debug  authorization  x-absent
package differential.headers_removed

allow := {"allowed": true, "request_headers_to_remove": ["x-debug", "Authorization", "x-absent"]}
