# What a careful user of OPA writes on OPA's input: what is compared is one text with one meaning, or nothing matches.
package attacks.authz

default decision := {"allowed": false}

http := input.attributes.request.http

path := split(http.path, "?")[0]

# No escapes, no parameters, no dots at the start of a segment, no empty segment but a last one.
path_is_plain if regex.match(`^/$|^(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+/?$`, path)

# As a service may read it that does not look at case.
segments := split(trim_suffix(lower(path), "/"), "/")

# A name, and perhaps a port and one dot; two names in one are none.
host := trim_suffix(split(lower(http.host), ":")[0], ".") if regex.match(`^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\.?(:[0-9]+)?$`, http.host)

# One name in the certificate, or nobody.
caller := input.attributes.source.principal if count(input.sidegate.source.uri_sans) == 1

shop(account) := sprintf("spiffe://cluster.local/ns/shop/sa/%s", [account])

operators := {"spiffe://cluster.local/ns/ops/sa/sre", "spiffe://old.example/ns/ops/sa/sre"}

token := input.attributes.metadataContext.filterMetadata["envoy.filters.http.jwt_authn"].payload

allow if {
	caller == shop("web")
	http.method in {"GET", "POST"}
	not segments[1] in {"ops", "tenants", "accounts", "transfers"}
}

allow if {
	caller == shop("web")
	http.method == "POST"
	path == "/transfers"
	is_number(amount)
	amount >= 0
	amount <= 100
	not input.truncated_body
}

# One amount, said once and in one way: a service may take the first of two, or a key in another case. Bytes that are no
# UTF-8, which Envoy shows as `!`, may be left out.
amount := input.parsed_body.amount if {
	not regex.match(`[\\!]`, http.body)
	count(regex.find_n(`(?i)"amount"`, http.body, -1)) == 1
}

allow if {
	caller == shop("guest")
	http.method == "GET"
	startswith(path, "/public/")
}

allow if {
	caller == shop("guest")
	http.method == "GET"
	regex.match(`^/items/[^/]+$`, path)
}

allow if {
	caller in operators
	http.method == "GET"
	startswith(path, "/ops/")
}

allow if {
	caller == shop("host")
	http.method == "GET"
	regex.match(`^([a-z0-9-]+\.)*public\.example$`, host)
}

allow if {
	caller == shop("anyhost")
	http.method == "GET"
	host
}

allow if {
	caller == shop("tenant")
	http.method == "GET"
	regex.match(`^/tenants/[^/]+$`, path)
	http.headers["x-tenant"] == "blue"
}

allow if {
	caller == shop("rpc")
	http.method == "POST"
	path == "/shop.Orders/Get"
	startswith(http.headers["content-type"], "application/grpc")
}

allow if {
	caller == shop("user")
	http.method == "GET"
	regex.match(`^/accounts/[^/]+$`, path)
	token.role == "admin"
}

allow if {
	not input.attributes.source.principal
	http.method == "GET"
	path == "/healthz"
}

deny if segments[1] == "admin"

deny if host == "internal.example"

deny if http.headers["x-debug"]

# `x_tenant` for `x-tenant`: some services take one for the other.
deny if {
	some name, _ in http.headers
	contains(name, "_")
	replace(name, "_", "-") in {"x-tenant", "x-debug"}
}

unwanted := ["x-internal-debug", "x-original-url", "x-rewrite-url", "x-http-method-override", "x-envoy-original-path"]

# Every spelling of these names that a service may take for them, of those that came.
removed contains name if {
	some name, _ in http.headers
	replace(name, "_", "-") in array.concat(unwanted, ["x-caller"])
}

decision := {
	"allowed": true,
	"headers": {"x-caller": caller},
	"request_headers_to_remove": [name | some name in removed; name != "x-caller"],
} if {
	path_is_plain
	allow
	not deny
	caller
}

decision := {"allowed": true, "request_headers_to_remove": removed} if {
	path_is_plain
	allow
	not deny
	not caller
}
