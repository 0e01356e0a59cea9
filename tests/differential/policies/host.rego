# Hosts without their port, in any case.
package differential.host

default allow := false

allow if lower(split(input.attributes.request.http.host, ":")[0]) == "service.test"

allow if endswith(input.attributes.request.http.headers[":authority"], ".internal")
