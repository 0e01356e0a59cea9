# Decisions on a form.
# reads the body
package differential.body_form

default allow := false

allow if input.parsed_body.user[0] == "alice"

allow if not input.parsed_body
