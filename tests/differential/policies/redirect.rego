# A deny that redirects to a login.
# words: x-session  ok  old
package differential.redirect

default allow := false

allow if input.attributes.request.http.headers["x-session"] == "ok"

allow := {
	"allowed": false,
	"http_status": 302,
	"headers": {"location": concat("", ["https://login.test/?back=", urlquery.encode(input.attributes.request.http.path)])},
} if {
	input.attributes.request.http.headers["x-session"] != "ok"
}
