package sidegate.tests_test

import data.sidegate.authz_test as lib

base := lib.request("POST", "/a.B/C", lib.web)

with_http(fields) := object.union(base, {"attributes": {"request": {"http": fields}}})

with_headers(headers) := with_http({"headers": headers})

with_port(port) := object.union(base, {"attributes": {"destination": {"address": {"socketAddress": {"portValue": port}}}}})

with_address(address) := object.union(
	base,
	{"attributes": {"source": {"address": {"socketAddress": {"address": address}}}}},
)

with_claims(claims) := object.union(
	base,
	{"attributes": {"metadataContext": {"filterMetadata": {"envoy.filters.http.jwt_authn": {"payload": claims}}}}},
)

allowed(test, question) if {
	lib.allows({"allow": lib.table([{"rule": "0", "tests": [test]}], lib.shop, {"any": [0]})}, question)
}

denied(test, question) if {
	deny := lib.table([{"rule": "0", "tests": [test]}], {"everyone": {"0": true}}, {"any": [0]})
	not lib.allows({"allow": lib.everything, "deny": deny}, question)
}

exact := {"kind": "header_exact", "name": "x-a", "text": "a"}

prefix := {"kind": "header_prefix", "name": "x-a", "text": "a"}

present := {"kind": "header_present", "name": "x-a"}

absent := {"kind": "header_absent", "name": "x-a"}

host := {"kind": "host", "exact": {"a.example": true}, "suffixes": [".b.example"]}

port := {"kind": "port", "ports": [80]}

claim := {"kind": "claim", "path": ["a", "b"], "values": {"x": true}}

network := {"kind": "source", "networks": ["10.0.0.0/8", "fd00::/8"]}

# Test, question, whether it allows, whether it denies.
cases := {
	"grpc": [{"kind": "grpc"}, with_headers({"content-type": "application/grpc+proto"}), true, true],
	"no grpc": [{"kind": "grpc"}, with_headers({"content-type": "application/json"}), false, true],
	"exact": [exact, with_headers({"x-a": "a"}), true, true],
	"exact of several": [exact, with_headers({"x-a": "b, a"}), false, true],
	"exact other": [exact, with_headers({"x-a": "b"}), false, false],
	"exact missing": [exact, base, false, false],
	"prefix": [prefix, with_headers({"x-a": "ab, a"}), true, true],
	"prefix of several": [prefix, with_headers({"x-a": "b, a"}), false, true],
	"prefix other": [prefix, with_headers({"x-a": "b"}), false, false],
	"prefix missing": [prefix, base, false, false],
	"present": [present, with_headers({"x-a": ""}), true, true],
	"not present": [present, base, false, false],
	"absent": [absent, base, true, true],
	"not absent": [absent, with_headers({"x-a": ""}), false, false],
	"exact with a twin": [exact, with_headers({"x-a": "a", "x_a": "b"}), false, true],
	"a twin alone": [exact, with_headers({"x_a": "b"}), false, true],
	"prefix with a twin": [prefix, with_headers({"x-a": "a", "x_a": "a"}), false, true],
	"present with a twin": [present, with_headers({"x-a": "a", "x_a": ""}), false, true],
	"absent with a twin": [absent, with_headers({"x_a": ""}), false, true],
	"no twin": [absent, with_headers({"x_ab": "", "xa": "", "x.a": ""}), true, true],
	"host": [host, with_http({"host": "A.example.:8080"}), true, true],
	"host suffix": [host, with_http({"host": "x.y.b.example"}), true, true],
	"other host": [host, with_http({"host": "b.example"}), false, false],
	"two hosts": [host, with_http({"host": "c.example,a.example"}), false, true],
	"no host": [host, with_http({"host": ""}), false, true],
	"port": [port, with_port(80), true, true],
	"other port": [port, with_port(81), false, false],
	"no port": [port, base, false, true],
	"claim": [claim, with_claims({"a": {"b": "x"}}), true, true],
	"claim in a list": [claim, with_claims({"a": {"b": ["y", "x"]}}), true, true],
	"claim other": [claim, with_claims({"a": {"b": "y"}}), false, false],
	"claim other in a list": [claim, with_claims({"a": {"b": ["y"]}}), false, false],
	"claim of another kind": [claim, with_claims({"a": {"b": 1}}), false, true],
	"claim mixed": [claim, with_claims({"a": {"b": ["y", 1]}}), false, true],
	"claim missing": [claim, with_claims({"a": "b"}), false, false],
	"no claims": [claim, base, false, false],
	"network": [network, with_address("10.1.2.3"), true, true],
	"network 6": [network, with_address("fd00::1"), true, true],
	"other network": [network, with_address("11.0.0.1"), false, false],
	"other network 6": [network, with_address("2001:db8::1"), false, false],
	"no address": [network, base, false, true],
	"not an address": [network, with_address("x"), false, true],
	"unknown": [{"kind": "later"}, base, false, true],
}

test_allows[name] if {
	some name, [test, question, true, _] in cases
	allowed(test, question)
}

test_allows_not[name] if {
	some name, [test, question, false, _] in cases
	not allowed(test, question)
}

test_denies[name] if {
	some name, [test, question, _, true] in cases
	denied(test, question)
}

test_denies_not[name] if {
	some name, [test, question, _, false] in cases
	not denied(test, question)
}
