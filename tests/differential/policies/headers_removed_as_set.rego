# The names to remove are a set.
# words: x-internal-a  x-internal-b  x-public
package differential.headers_removed_as_set

internal contains name if {
	some name, _ in input.attributes.request.http.headers
	startswith(name, "x-internal-")
}

allow := {"allowed": true, "request_headers_to_remove": internal}
