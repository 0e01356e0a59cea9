package sidegate.transport_test

import data.sidegate.authz
import data.sidegate.authz_test as lib

connection(principal, port) := {
	"attributes": {
		"source": {"principal": principal},
		"destination": {"principal": lib.own, "address": {"socketAddress": {"portValue": port}}},
	},
	"sidegate": {"phase": "connection"},
}

answer(service, question) := decision if {
	document := lib.only(service)
	decision := authz.network_decision with data.sidegate.services as document.services
		with data.sidegate.workloads as document.workloads
		with data.sidegate.workload as document.workload
		with data.sidegate.trust_domain_aliases as document.trust_domain_aliases
		with input as question
}

allowed := {"allowed": true}

denied := {"allowed": false}

legacy := "spiffe://cluster.local/ns/legacy/sa/web"

test_nothing_declared_is_a_deny if {
	authz.network_decision == denied with input as connection(lib.web, 5432)
	answer({}, connection(lib.web, 5432)) == denied
}

test_a_workload_that_nobody_declares if {
	document := lib.only({})
	nobodys := authz.network_decision with data.sidegate.workloads as {}
		with data.sidegate.workload as document.workload
		with input as connection(lib.web, 5432)
	nobodys == {"allowed": false, "undeclared": true}
}

test_callers_and_ports if {
	service := {"allow": lib.table(
		[{"rule": "0", "tests": [{"kind": "port", "ports": [5432]}]}],
		lib.shop,
		{"any": [0]},
	)}
	answer(service, connection(lib.web, 5432)) == allowed
	answer(service, connection(lib.web, 5433)) == denied
	answer(service, connection(legacy, 5432)) == denied
	answer(service, {"attributes": {"destination": {"principal": lib.own}}}) == denied
}

# What asks for something of a request allows no connection.
test_requests_are_no_connections if {
	method := lib.table([object.union(lib.clause, {"methods": {"GET": true}})], lib.shop, {"any": [0]})
	answer({"allow": method}, connection(lib.web, 80)) == denied
	path := lib.table([lib.clause], lib.shop, {"exact": {"/": [0]}})
	answer({"allow": path}, connection(lib.web, 80)) == denied
	open := lib.table([lib.clause], lib.shop, {"open": [{"mask": [""], "least": 1, "paths": {"": [0]}}]})
	answer({"allow": open}, connection(lib.web, 80)) == denied
	host := lib.table([{"rule": "0", "tests": [{"kind": "host", "exact": {"a": true}}]}], lib.shop, {"any": [0]})
	answer({"allow": host}, connection(lib.web, 80)) == denied
}

# A deny holds whatever it asks of a request.
test_denies if {
	paths := {"exact": {"/admin": [0]}}
	deny := lib.table([object.union(lib.clause, {"methods": {"GET": true}})], {"ns": {"shop": {"0": true}}}, paths)
	service := {"allow": object.union(lib.everything, {"callers": {"authenticated": {"0": true}}}), "deny": deny}
	answer(service, connection(legacy, 80)) == allowed
	answer(service, connection(lib.web, 80)) == denied
	ports := lib.table([{"rule": "0", "tests": [{"kind": "port", "ports": [81]}]}], {"everyone": {"0": true}}, {"any": [0]})
	other := object.union(service, {"deny": ports})
	answer(other, connection(lib.web, 80)) == allowed
	answer(other, connection(lib.web, 81)) == denied
}

test_the_base_denies if {
	mesh := {"deny": lib.table([lib.clause], {"ns": {"legacy": {"0": true}}}, {"exact": {"/debug": [0]}})}
	service := {"allow": object.union(lib.everything, {"callers": {"authenticated": {"0": true}}})}
	answer(service, connection(lib.web, 80)) == allowed with data.sidegate.base as mesh
	answer(service, connection(legacy, 80)) == denied with data.sidegate.base as mesh
	answer(service, connection(lib.web, 80)) == denied with data.sidegate.base as {"rego": {"deny": true}}
	shadow := object.union(service, {"mode": "shadow"})
	answer(shadow, connection(legacy, 80)) == denied with data.sidegate.base as mesh
}

with_rego(rego) := {"allow": lib.everything, "rego": rego}

test_rego_beside_is_about_requests if {
	answer(with_rego({"allow": "widen"}), connection(lib.web, 80)) == allowed
	answer(with_rego({"allow": "narrow"}), connection(lib.web, 80)) == denied
	answer(with_rego({"deny": true}), connection(lib.web, 80)) == denied
	answer(with_rego({"allow": "widen", "deny": true}), connection(lib.web, 80)) == denied
}

test_shadow_says_so if {
	shadow := {"allow": lib.everything, "mode": "shadow"}
	answer(shadow, connection(lib.web, 80)) == {"allowed": true, "mode": "shadow"}
	answer(shadow, connection(legacy, 80)) == {"allowed": false, "mode": "shadow"}
}
