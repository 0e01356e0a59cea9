# Conditions on request headers. Several values of one header are one text here, parted by commas.
package sidegate.authz

request_headers := input.attributes.request.http.headers

header_holds(test) if {
	not has_twin(test.name)
	value_holds(test)
}

header_fails(test) if {
	not has_twin(test.name)
	value_fails(test)
}

# A header by another spelling, `_` for `-`, that some services take for the same: what they read then is not certain.
has_twin(name) if {
	some other, _ in request_headers
	other != name
	replace(other, "_", "-") == replace(name, "_", "-")
}

value_holds(test) if {
	test.kind == "header_exact"
	request_headers[test.name] == test.text
}

value_holds(test) if {
	test.kind == "header_prefix"
	every part in split(request_headers[test.name], ",") {
		startswith(trim_space(part), test.text)
	}
}

value_holds(test) if {
	test.kind == "header_present"
	has_header(test.name)
}

value_holds(test) if {
	test.kind == "header_absent"
	request_headers
	not has_header(test.name)
}

value_fails(test) if {
	test.kind in {"header_exact", "header_prefix", "header_present"}
	request_headers
	not has_header(test.name)
}

value_fails(test) if {
	test.kind == "header_exact"
	value := request_headers[test.name]
	value != test.text
	not value_has(value, test.text)
}

value_fails(test) if {
	test.kind == "header_prefix"
	value := request_headers[test.name]
	not value_begins(value, test.text)
}

value_fails(test) if {
	test.kind == "header_absent"
	has_header(test.name)
}

# A name for it: OPA evaluates the arguments of a call before `not`.
has_header(name) if is_string(request_headers[name])

value_has(value, text) if {
	some part in split(value, ",")
	trim_space(part) == text
}

value_begins(value, text) if {
	some part in split(value, ",")
	startswith(trim_space(part), text)
}
