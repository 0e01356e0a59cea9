# Headers that are none, one kind for each path.
# words: /number  /null  /mixed  /text  /list  /nested  /right  /empty  x-a
package differential.headers_wrong

wrong := {
	"number": {"x-a": 1},
	"null": {"x-a": null},
	"mixed": {"x-a": ["1", 2]},
	"text": "x-a: 1",
	"list": ["x-a"],
	"nested": {"x-a": {"b": "c"}},
	"right": {"x-a": "1"},
	"empty": {"x-a": []},
}

allow := {"allowed": allowed, "headers": wrong[input.parsed_path[0]]} if {
	allowed := input.attributes.request.http.method == "GET"
}
