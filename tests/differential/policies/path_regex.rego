# Paths by patterns.
# words: /users/12  /users/12?x=1  /users/x  /orders/ab-123  /orders/abcde-1
package differential.path_regex

default allow := false

allow if regex.match(`^/users/[0-9]+(\?.*)?$`, input.attributes.request.http.path)

allow if {
	input.attributes.request.http.method == "POST"
	regex.match("^/orders/[a-z]{2,4}-[0-9]{3}$", input.attributes.request.http.path)
}
