# Where the connection comes from.
package sidegate.authz

source_address := input.attributes.source.address.socketAddress.address

source_in(networks) if {
	some network in networks
	net.cidr_contains(network, source_address)
}

network_holds(test) if source_in(test.networks)

network_fails(test) if {
	source_in(["0.0.0.0/0", "::/0"])
	not source_in(test.networks)
}
