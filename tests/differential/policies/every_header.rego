# Each header must be one that is known.
package differential.every_header

default allow := false

known := {":authority", ":method", ":path", ":scheme", "accept", "user-agent", "x-request-id", "x-forwarded-proto", "x-forwarded-client-cert", "x-team"}

allow if {
	every name, _ in input.attributes.request.http.headers {
		name in known
	}
}
