# The port that was called.
package sidegate.authz

port := input.attributes.destination.address.socketAddress.portValue

port_holds(test) if port in test.ports

port_fails(test) if {
	is_number(port)
	not port in test.ports
}
