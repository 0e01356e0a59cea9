# Conditions on request headers. Several values of one header are one text here, parted by commas.
package sidegate.authz

request_headers := input.attributes.request.http.headers

holds(test) if {
	test.kind == "header_exact"
	request_headers[test.name] == test.text
}

holds(test) if {
	test.kind == "header_prefix"
	every part in split(request_headers[test.name], ",") {
		startswith(trim_space(part), test.text)
	}
}

holds(test) if {
	test.kind == "header_present"
	is_string(request_headers[test.name])
}

holds(test) if {
	test.kind == "header_absent"
	request_headers
	not is_string(request_headers[test.name])
}

fails(test) if {
	test.kind in {"header_exact", "header_prefix", "header_present"}
	request_headers
	not is_string(request_headers[test.name])
}

fails(test) if {
	test.kind == "header_exact"
	value := request_headers[test.name]
	value != test.text
	not value_has(value, test.text)
}

fails(test) if {
	test.kind == "header_prefix"
	value := request_headers[test.name]
	not value_begins(value, test.text)
}

fails(test) if {
	test.kind == "header_absent"
	is_string(request_headers[test.name])
}

value_has(value, text) if {
	some part in split(value, ",")
	trim_space(part) == text
}

value_begins(value, text) if {
	some part in split(value, ",")
	startswith(trim_space(part), text)
}
