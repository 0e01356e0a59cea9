# A token signed with a shared secret, as the documentation has it.
# words: authorization  Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJyb2xlIjoiYWRtaW4iLCJzdWIiOiJib2IifQ.W2g93A_9jIErlkw1wjs41_v0-wBsrVgWDQBzqazF-DU  Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJyb2xlIjoiZ3Vlc3QiLCJzdWIiOiJldmUifQ.ItTshhMLMdBjbUAiv1sWJV3rLhTc7ujt9Kf82QRvbg8  Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJyb2xlIjoiYWRtaW4iLCJzdWIiOiJldmUifQ.Jami9ieHaHqpdh2W-zFc0BwrqTN3b3oQzsbBS0RUJLE
package differential.jwt_hs256

default allow := false

token := {"valid": valid, "payload": payload} if {
	[_, encoded] := split(input.attributes.request.http.headers.authorization, " ")
	[valid, _, payload] := io.jwt.decode_verify(encoded, {"secret": "secret"})
}

allow if {
	token.valid
	token.payload.role == "admin"
}

allow if {
	token.valid
	token.payload.role == "guest"
	input.attributes.request.http.method == "GET"
}
