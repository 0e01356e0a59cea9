# Where the connection comes from.
package differential.source_address

default allow := false

allow if {
	input.attributes.source.address.socketAddress.address == "127.0.0.1"
	input.attributes.source.address.socketAddress.portValue > 1024
	input.attributes.destination.address.socketAddress.address == "127.0.0.1"
}
