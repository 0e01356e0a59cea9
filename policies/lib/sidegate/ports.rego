# The port that was called.
package sidegate.authz

port := input.attributes.destination.address.socketAddress.portValue

holds(test) if {
	test.kind == "port"
	port in test.ports
}

fails(test) if {
	test.kind == "port"
	is_number(port)
	not port in test.ports
}
