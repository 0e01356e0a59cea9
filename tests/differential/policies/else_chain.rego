# One after the other.
# words: x-plan  gold  silver  x-tier
package differential.else_chain

allow := {"allowed": true, "headers": {"x-tier": tier}}

tier := "gold" if {
	input.attributes.request.http.headers["x-plan"] == "gold"
} else := "silver" if {
	input.attributes.request.http.headers["x-plan"] == "silver"
	input.attributes.request.http.method == "GET"
} else := "none"
