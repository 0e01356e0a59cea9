# What happens to headers of allowed requests.
package sidegate.authz

answer := {
	"allowed": true,
	"headers": texts(service.headers.request.set),
	"request_headers_to_remove": array.concat(
		service.headers.request.remove,
		[name | some name, parts in service.headers.request.set; not text(parts)],
	),
	"response_headers_to_set": texts(service.headers.response.set),
	"response_headers_to_remove": array.concat(
		service.headers.response.remove,
		[name | some name, parts in service.headers.response.set; not text(parts)],
	),
} if {
	allowed
	service.headers
}

# What cannot be said is not set, and removed, so that nobody else says it.
texts(headers) := {name: value | some name, parts in headers; value := text(parts)}

text(parts) := concat("", values) if {
	values := [value | some part in parts; value := part_text(part)]
	count(values) == count(parts)
}

part_text(part) := part.text

part_text(part) := only_principal if part.variable == "source.principal"

# Of this mesh alone: another's namespaces have the same names.
part_text(part) := own_identity.namespace if part.variable == "source.namespace"

part_text(part) := own_identity.service_account if part.variable == "source.service_account"

part_text(part) := input.attributes.request.http.headers["x-request-id"] if part.variable == "request.id"
