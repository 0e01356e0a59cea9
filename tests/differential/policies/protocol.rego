# Protocol, scheme and size.
# reads the body
package differential.protocol

default allow := false

allow if {
	input.attributes.request.http.protocol == "HTTP/1.1"
	input.attributes.request.http.scheme == "https"
}

allow if input.attributes.request.http.size > 20
