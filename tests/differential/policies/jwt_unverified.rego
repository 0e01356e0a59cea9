# Claims of a token that another filter has verified.
# words: authorization  Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSIsInJvbGUiOiJhZG1pbiJ9.c2ln  Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJib2IiLCJyb2xlIjoidXNlciJ9.c2ln  Bearer x.y  Bearer
package differential.jwt_unverified

default allow := false

claims := payload if {
	startswith(input.attributes.request.http.headers.authorization, "Bearer ")
	[_, payload, _] := io.jwt.decode(substring(input.attributes.request.http.headers.authorization, 7, -1))
}

allow if {
	claims.role == "admin"
	input.attributes.request.http.method == "GET"
}

allow := {"allowed": true, "headers": {"x-subject": claims.sub}} if {
	claims.role == "user"
	input.attributes.request.http.method == "POST"
}
