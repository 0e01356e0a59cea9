# What a clause asks besides caller, path and method. `holds` is for certain, and what allows ask; `fails` is for
# certain too, and what denies ask: what can be neither allows nothing, and denies.
#
# Functions stand in one file each: regorus's interpreter, which `sidegate test` compares with, needs it.
package sidegate.authz

# Method and path of a gRPC call are those of its target.
holds(test) if {
	test.kind == "grpc"
	startswith(input.attributes.request.http.headers["content-type"], "application/grpc")
}

holds(test) if {
	test.kind == "host"
	host_is(test)
}

fails(test) if {
	test.kind == "host"
	host
	not host_is(test)
}

holds(test) if {
	test.kind == "port"
	port_holds(test)
}

fails(test) if {
	test.kind == "port"
	port_fails(test)
}

holds(test) if {
	startswith(test.kind, "header_")
	header_holds(test)
}

fails(test) if {
	startswith(test.kind, "header_")
	header_fails(test)
}

holds(test) if {
	test.kind == "claim"
	claim_holds(test)
}

fails(test) if {
	test.kind == "claim"
	claim_fails(test)
}

holds(test) if {
	test.kind == "source"
	network_holds(test)
}

fails(test) if {
	test.kind == "source"
	network_fails(test)
}
