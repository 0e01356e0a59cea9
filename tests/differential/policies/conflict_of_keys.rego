# An object with two values for one key.
# words: x-labels  team=a  team=a,zone=b  team=a,team=b  team
package differential.conflict_of_keys

labels[name] := value if {
	some pair in split(input.attributes.request.http.headers["x-labels"], ",")
	[name, value] := split(pair, "=")
}

allow if labels.team == "a"
