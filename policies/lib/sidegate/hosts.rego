# Hosts and gRPC. `holds` is for certain, and what allows ask; `fails` is for certain too, and what denies ask.
package sidegate.authz

# The name without port and trailing dot; none where it is no name, such as two in one (`a,b`).
host := trim_suffix(split(name, ":")[0], ".") if {
	name := lower(input.attributes.request.http.host)
	regex.match(`^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?(?::[0-9]+)?$`, name)
}

host_is(test) if test.exact[host]

host_is(test) if {
	some suffix in test.suffixes
	endswith(host, suffix)
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

# Method and path of a gRPC call are those of its target.
holds(test) if {
	test.kind == "grpc"
	startswith(input.attributes.request.http.headers["content-type"], "application/grpc")
}
