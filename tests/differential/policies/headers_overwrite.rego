# What the client sent is overwritten.
# words: x-user  x-forwarded-user  root  /alice
package differential.headers_overwrite

default allow := false

allow := {"allowed": true, "headers": {"x-user": user, "x-forwarded-user": user}} if {
	user := input.parsed_path[0]
	user != ""
}
