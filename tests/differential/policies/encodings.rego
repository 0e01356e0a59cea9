# Base64, hex and the query.
# words: x-token  YWxpY2U=  616263  YWx  a&b=c d  zz
package differential.encodings

token := input.attributes.request.http.headers["x-token"]

allow := {"allowed": true, "headers": {"x-user": base64.decode(token)}} if {
	base64.is_valid(token)
} else := {"allowed": true, "headers": {"x-hex": hex.decode(token)}} if {
	regex.match("^([0-9a-f]{2})+$", token)
} else := {"allowed": false, "body": urlquery.encode(token), "headers": {"x-encoded": base64url.encode(token)}}
