# Headers to the upstream, as one object.
# words: x-user  x-roles  mallory
package differential.headers_object

allow := {"allowed": true, "headers": {"x-user": "alice", "x-roles": "reader,writer"}} if {
	input.attributes.request.http.method == "GET"
} else := false
