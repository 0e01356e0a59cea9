# Text turned and cut.
# words: x-user  Alice  -bob-  b  abracadabra
package differential.strings

user := object.get(input.attributes.request.http.headers, "x-user", "nobody")

allow := {"allowed": true, "headers": {
	"x-lower": lower(user),
	"x-upper": upper(user),
	"x-part": substring(user, 1, 2),
	"x-replaced": replace(user, "a", "4"),
	"x-trimmed": trim(user, "-"),
	"x-index": format_int(indexof(user, "b"), 10),
	"x-length": format_int(count(user), 16),
	"x-formatted": sprintf("%s|%v|%q|%5s|%x", [user, user, user, user, user]),
}}
