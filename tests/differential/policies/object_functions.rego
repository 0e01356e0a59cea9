# Objects built and merged.
# words: x-zone  x-team  a  b  <c>  \"q
package differential.object_functions

labels := object.union(
	{"zone": "none", "team": "none"},
	{name: value |
		some name in ["zone", "team"]
		value := input.attributes.request.http.headers[sprintf("x-%s", [name])]
	},
)

allow := {"allowed": labels.team != "none", "headers": {
	"x-labels": json.marshal(labels),
	"x-keys": concat(",", sort(object.keys(object.filter(labels, ["team"])))),
}}
