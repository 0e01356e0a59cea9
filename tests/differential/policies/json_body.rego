# A deny that explains itself as JSON.
# words: x-team  a
package differential.json_body

reasons contains "method" if input.attributes.request.http.method != "GET"

reasons contains "team" if not input.attributes.request.http.headers["x-team"]

allow if count(reasons) == 0

allow := {
	"allowed": false,
	"http_status": 403,
	"headers": {"content-type": "application/json"},
	"body": json.marshal({"denied": true, "reasons": reasons}),
} if {
	count(reasons) > 0
}
