# The host that was asked for.
package sidegate.authz

# The name without port and trailing dot; none where it is no name, such as two in one (`a,b`).
host := trim_suffix(split(lower(name), ":")[0], ".") if {
	name := input.attributes.request.http.host
	regex.match(`^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?(?::[0-9]+)?$`, name)
}

host_is(test) if test.exact[host]

host_is(test) if {
	some suffix in test.suffixes
	endswith(host, suffix)
}
