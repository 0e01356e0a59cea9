# Builtins that fail are undefined, also below a `not`.
# words: x-n  x-json  x-b  7  3  abc  {"a":1}  {  aGk=  aGk
package differential.builtin_errors

default allow := false

allow if to_number(input.attributes.request.http.headers["x-n"]) > 5

allow if {
	not json.unmarshal(input.attributes.request.http.headers["x-json"])
	input.attributes.request.http.method == "POST"
}

allow if base64.decode(input.attributes.request.http.headers["x-b"]) == "hi"
