# Repeated and odd headers, as the policy sees them.
package differential.header_values

allow := {"allowed": true, "headers": {"x-seen": concat("|", [v |
	some name in ["x-many", "x-odd", "x-empty", "x-case", "x_under"]
	v := sprintf("%v=%v", [name, object.get(input.attributes.request.http.headers, name, "-")])
])}}
