# The documentation's object with keys one by one.
# entrypoint: result
# words: x-user  alice  one-auth-header  another-auth-header
package differential.partial_object

default allow := false

allow if {
	input.attributes.request.http.method == "GET"
	input.attributes.request.http.headers["x-user"]
}

headers["x-ext-auth-allow"] := "yes"

headers["x-user-id"] := input.attributes.request.http.headers["x-user"]

request_headers_to_remove := ["one-auth-header", "another-auth-header"]

response_headers_to_add["x-foo"] := "bar"

status_code := 200 if {
	allow
} else := 401 if {
	not input.attributes.request.http.headers["x-user"]
} else := 403

body := "Unauthenticated Request" if status_code == 401

body := "Unauthorized Request" if status_code == 403

result["allowed"] := allow

result["headers"] := headers

result["response_headers_to_add"] := response_headers_to_add

result["request_headers_to_remove"] := request_headers_to_remove

result["body"] := body

result["http_status"] := status_code
