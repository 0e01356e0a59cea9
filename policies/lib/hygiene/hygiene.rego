# Headers that should not get through, whatever a policy decides about (docs/headers.md). What is removed by prefix and
# what happens to responses is Sidegate's: OPA behind Envoy removes the headers that are named, and no more.
package hygiene

# What services are told by proxies and gateways before them, and believe: who is calling, what was asked for. From a
# client it is a lie. Those that Envoy writes itself (`x-forwarded-for`, `x-forwarded-client-cert`) are not among them.
spoofable := {
	"proxy",
	"remote-user",
	"x-envoy-original-host",
	"x-envoy-original-path",
	"x-envoy-peer-metadata",
	"x-envoy-peer-metadata-id",
	"x-forwarded-user",
	"x-http-method",
	"x-http-method-override",
	"x-method-override",
	"x-original-method",
	"x-original-uri",
	"x-original-url",
	"x-remote-user",
	"x-rewrite-url",
	"x-user",
	"x-user-id",
}

spoofable_prefixes := {
	"ssl-client-",
	"x-amzn-oidc-",
	"x-auth-request-",
	"x-authenticated-",
	"x-client-cert",
	"x-goog-authenticated-user-",
	"x-ms-client-principal",
	"x-ssl-client-",
	"x-webauth-",
}

# What says which software answers, and what it found out on the way.
banners := {
	"server",
	"via",
	"x-aspnet-version",
	"x-aspnetmvc-version",
	"x-generator",
	"x-powered-by",
	"x-runtime",
	"x-version",
}

banner_prefixes := {"x-debug-"}

# For every response but those of gRPC, where it says nothing else itself.
security_headers := {"x-content-type-options": "nosniff"}

# For pages.
page_headers := {
	"content-security-policy": "frame-ancestors 'none'",
	"referrer-policy": "strict-origin-when-cross-origin",
	"x-frame-options": "DENY",
}

# A decision about a request, with these headers removed where it is allowed. A header that the decision sets itself
# stays: `headers` come after prefixes, and names that are set are not removed.
cleaned(decision) := without_spoofable(decision) if {
	is_object(decision)
	decision.allowed == true
}

cleaned(decision) := decision if {
	is_object(decision)
	not decision.allowed
}

cleaned(true) := without_spoofable({"allowed": true})

cleaned(false) := false

without_spoofable(decision) := object.union(decision, {
	"request_headers_to_remove": array.concat(
		object.get(decision, "request_headers_to_remove", []),
		sort(spoofable - object.keys(object.get(decision, "headers", {}))),
	),
	"request_header_prefixes_to_remove": array.concat(
		object.get(decision, "request_header_prefixes_to_remove", []),
		sort(spoofable_prefixes),
	),
})

# METADATA
# title: What happens to the headers of responses
# description: For the proxy's `response_entrypoint`
# entrypoint: true
response := {
	"allowed": true,
	"response_headers_to_remove": sort(banners),
	"response_header_prefixes_to_remove": sort(banner_prefixes),
	"response_headers_to_set": {name: value |
		some name, value in added
		not input.response.headers[name]
	},
}

added := {} if is_grpc

added := security_headers if {
	not is_grpc
	not is_page
}

added := object.union(security_headers, page_headers) if is_page

is_grpc if startswith(input.response.headers["content-type"], "application/grpc")

is_page if startswith(lower(input.response.headers["content-type"]), "text/html")
