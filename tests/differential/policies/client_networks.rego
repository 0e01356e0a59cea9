# Networks of the client's address.
# words: x-client  203.0.113.5  198.51.100.1  ::1  nowhere
package differential.client_networks

default allow := false

allow if {
	some network in ["127.0.0.0/8", "10.0.0.0/8"]
	net.cidr_contains(network, input.attributes.source.address.socketAddress.address)
}

allow if net.cidr_contains("203.0.113.0/24", input.attributes.request.http.headers["x-client"])
