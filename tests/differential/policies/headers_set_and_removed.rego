# A header both removed and set.
# words: x-both  x-gone
package differential.headers_set_and_removed

allow := {
	"allowed": true,
	"headers": {"x-both": "set"},
	"request_headers_to_remove": ["x-both", "x-gone"],
}
