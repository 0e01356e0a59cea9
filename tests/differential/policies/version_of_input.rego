# Which input it is.
# reads the body
package differential.version_of_input

default allow := false

allow if {
	input.version.ext_authz == "v3"
	input.version.encoding == "protojson"
	input.truncated_body == false
}
