# Paths by their parts, the owner among them.
# words: x-user  /people/alice  /people/bob  /people/bob/manager  alice  bob
package differential.path_array

default allow := false

allow if {
	input.attributes.request.http.method == "GET"
	["people", id] = input.parsed_path
	id == input.attributes.request.http.headers["x-user"]
}

allow if {
	["people", _, "manager"] = input.parsed_path
	input.attributes.request.http.headers["x-user"] == "alice"
}
