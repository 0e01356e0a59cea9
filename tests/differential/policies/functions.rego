# Functions with patterns and defaults.
# words: x-user  alice  bob  carol  dave
package differential.functions

default allow := false

role("alice") := "admin"

role(name) := "user" if name in {"bob", "carol"}

default may(_, _) := false

may("admin", _) := true

may("user", "GET") := true

allow if may(role(input.attributes.request.http.headers["x-user"]), input.attributes.request.http.method)
