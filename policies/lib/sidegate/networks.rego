# Where the connection comes from.
package sidegate.authz

source_address := input.attributes.source.address.socketAddress.address

source_in(networks) if {
	some network in networks
	net.cidr_contains(network, source_address)
}

holds(test) if {
	test.kind == "source"
	source_in(test.networks)
}

fails(test) if {
	test.kind == "source"
	source_in(["0.0.0.0/0", "::/0"])
	not source_in(test.networks)
}
