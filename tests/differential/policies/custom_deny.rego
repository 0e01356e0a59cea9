# Status, body and headers of a deny.
# words: x-user  alice
package differential.custom_deny

default allow := {"allowed": false, "http_status": 401, "body": "who are you?\n", "headers": {"www-authenticate": "Bearer"}}

allow if input.attributes.request.http.headers["x-user"] == "alice"
