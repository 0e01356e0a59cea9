# What the plugin makes of a path: everything in a header, to see it.
package differential.normalised_path

allow := {"allowed": true, "headers": {
	"x-parsed-path": json.marshal(input.parsed_path),
	"x-parsed-query": json.marshal(input.parsed_query),
}}
