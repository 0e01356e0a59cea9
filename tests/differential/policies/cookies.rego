# A session in a cookie.
# words: cookie  session=abc  theme=dark; session=no  a=b=c  session = abc
package differential.cookies

default allow := false

cookies := {name: value |
	some part in split(input.attributes.request.http.headers.cookie, ";")
	[name, value] := split(trim_space(part), "=")
}

allow if cookies.session == "abc"

allow if {
	cookies.theme == "dark"
	input.attributes.request.http.method == "GET"
}
