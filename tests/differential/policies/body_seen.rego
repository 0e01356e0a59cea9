# What the plugin makes of a body, to see it.
# reads the body
package differential.body_seen

allow := {"allowed": true, "headers": {
	"x-body": base64.encode(json.marshal(object.get(input, "parsed_body", "absent"))),
	"x-raw": base64.encode(object.get(input.attributes.request.http, "body", "")),
	"x-truncated": sprintf("%v", [input.truncated_body]),
}}
