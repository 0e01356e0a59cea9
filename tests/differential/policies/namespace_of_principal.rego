# The namespace is a part of the identity's path.
# words: /healthz
package differential.namespace_of_principal

default allow := false

allow if {
	parts := split(input.source_principal, "/")
	parts[4] == "backoffice"
}

allow if {
	not input.source_principal
	input.parsed_path == ["healthz"]
}
