# Roles from data; the user names itself in a header.
# words: x-user  alice  bob  /people  /people/7
package differential.rbac

import input.attributes.request.http as request

default allow := false

allow if {
	some role in data.rbac_data.users[request.headers["x-user"]]
	some grant in data.rbac_data.roles[role]
	grant.method == request.method
	startswith(request.path, grant.path)
}
