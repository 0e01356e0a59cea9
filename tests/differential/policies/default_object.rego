# An object where nothing else holds.
package differential.default_object

default allow := {"allowed": false, "http_status": 451, "body": "blocked"}

allow := {"allowed": true, "headers": {"x-zone": zone}} if {
	some zone, prefixes in data.default_object_data
	some prefix in prefixes
	startswith(input.attributes.request.http.path, prefix)
}
