# Decisions on a JSON body.
# reads the body
package differential.body_json

default allow := false

allow if input.parsed_body.user == "alice"

allow if {
	some role in input.parsed_body.roles
	role == "admin"
}
