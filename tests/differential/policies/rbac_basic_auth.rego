# The user of basic authentication, as in the documentation's first example.
# words: authorization  Basic YWxpY2U6cGFzc3dvcmQ=  Basic Ym9iOnBhc3N3b3Jk  Basic !!  Basic  /people  /people/1
package differential.rbac_basic_auth

import input.attributes.request.http as request

default allow := false

allow if {
	request.method == "GET"
	roles[user][_] == "guest"
}

allow if {
	roles[user][_] == "admin"
	glob.match("/people*", ["/"], request.path)
}

user := name if {
	[_, encoded] := split(request.headers.authorization, " ")
	[name, _] := split(base64url.decode(encoded), ":")
}

roles := {"alice": ["guest"], "bob": ["admin"]}
