# Anything below a document.
# words: x-key  k1  k2  k3  /a  /b
package differential.walk_data

default allow := false

allow if {
	[path, value] := walk(data.walk_data_data)
	value == input.attributes.request.http.headers["x-key"]
	path[0] == input.parsed_path[0]
}
