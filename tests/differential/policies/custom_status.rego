# Many statuses; some are none.
# words: x-status  200  302  400  401  403  404  418  429  500  503  599  999  0  -1  403.0  403.5  1e2
package differential.custom_status

allow := {"allowed": false, "http_status": status, "body": "no"} if {
	status := to_number(input.attributes.request.http.headers["x-status"])
}
