# Dynamic metadata that is no object.
package differential.metadata_wrong

allow := {"allowed": true, "dynamic_metadata": "team"} if {
	input.attributes.request.http.method == "GET"
} else := {"allowed": false, "dynamic_metadata": 7}
