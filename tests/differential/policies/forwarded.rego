# The first address of x-forwarded-for.
# words: x-forwarded-for  203.0.113.9  198.51.100.1, 203.0.113.9
package differential.forwarded

default allow := false

allow if {
	first := trim_space(split(input.attributes.request.http.headers["x-forwarded-for"], ",")[0])
	startswith(first, "203.0.113.")
}
