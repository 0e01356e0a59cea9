package sidegate.base_test

import data.sidegate.authz
import data.sidegate.authz_test as lib

service := {"allow": lib.everything}

# A deny of one caller, and one of a path.
base := {"deny": lib.table(
	[lib.clause, {"rule": "1", "tests": [], "methods": {"GET": true}}],
	{"ns": {"legacy": {"0": true}}, "everyone": {"1": true}},
	{"any": [0], "open": [{"mask": ["", ""], "least": 2, "paths": {"/internal": [1]}}]},
)}

legacy := "spiffe://cluster.local/ns/legacy/sa/web"

denied := {"allowed": false, "http_status": 403}

answer(mesh, own, question) := decision if {
	decision := lib.answer(own, question) with data.sidegate.base as mesh
}

nobodys(mesh, question) := decision if {
	decision := authz.decision with data.sidegate.base as mesh
		with data.sidegate.workloads as {"pay": {"charges-v1": "charges"}}
		with data.sidegate.services as {"pay": {"charges": service}}
		with data.sidegate.workload as {"namespace": "pay", "name": "nobodys"}
		with input as question
}

test_the_base_denies_what_a_service_allows if {
	answer(base, service, lib.request("GET", "/x", lib.web)) == {"allowed": true}
	answer(base, service, lib.request("GET", "/x", legacy)) == denied
	answer(base, service, lib.request("GET", "/Internal/x", lib.web)) == denied
	answer(base, service, lib.request("POST", "/internal/x", lib.web)) == {"allowed": true}
}

test_the_base_is_not_waived if {
	shadow := object.union(service, {"mode": "shadow"})
	answer(base, shadow, lib.request("GET", "/x", lib.web)) == {"allowed": true, "mode": "shadow"}
	answer(base, shadow, lib.request("GET", "/x", legacy)) == denied
	answer(base, shadow, lib.request("GET", "/internal", lib.web)) == denied
}

# On a path that cannot be read any path may be meant; what is certain not to hold otherwise still does not.
test_odd_paths_may_be_denied_ones if {
	shadow := object.union(service, {"mode": "shadow"})
	answer(base, shadow, lib.request("GET", "//internal", lib.web)) == denied
	answer(base, shadow, lib.request("POST", "//internal", lib.web)) == object.union(denied, {"mode": "shadow"})
	answer(base, shadow, lib.request("POST", "//internal", legacy)) == denied
}

test_undeclared if {
	undeclared := object.union(denied, {"undeclared": true})
	nobodys(false, lib.request("GET", "/x", lib.web)) == undeclared
	nobodys(base, lib.request("GET", "/x", lib.web)) == undeclared
	nobodys(base, lib.request("GET", "/x", legacy)) == denied
	nobodys(base, lib.request("GET", "/internal/x", lib.web)) == denied
	nobodys(base, lib.request("GET", "/..;/internal/x", lib.web)) == denied
}

# Who is asked about no workload has not heard that it is undeclared; nor who has heard half of it.
test_without_a_workload_nothing_is_undeclared if {
	every workload in [{}, {"namespace": "pay"}, {"name": "x"}, {"namespace": 1, "name": "x"}, false] {
		authz.decision == denied with data.sidegate.workload as workload
			with data.sidegate.workloads as {}
			with input as lib.request("GET", "/x", lib.web)
	}
}

test_rego_of_the_base_denies if {
	with_rego := {"rego": {"deny": true}}
	every value in [true, 0, null, "no", ["no"], {"no"}, {"no": false}, [[]]] {
		answer(with_rego, service, lib.request("GET", "/x", lib.web)) == denied with data.mesh.deny as value
		nobodys(with_rego, lib.request("GET", "/x", lib.web)) == denied with data.mesh.deny as value
	}
	every value in [false, "", [], {}, set()] {
		answer(with_rego, service, lib.request("GET", "/x", lib.web)) == {"allowed": true} with data.mesh.deny as value
	}
	answer(with_rego, service, lib.request("GET", "/x", lib.web)) == {"allowed": true} with data.mesh as {}
}
