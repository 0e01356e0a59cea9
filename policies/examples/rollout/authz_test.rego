package envoy.authz_test

import rego.v1

import data.envoy.authz

cart := {"shop": {"cart": {"version": "7", "open": ["", "items"]}}}

own := {"namespace": "shop", "name": "cart"}

test_open_parts_are_open if {
	every part in ["", "items"] {
		authz.allow.allowed with input.parsed_path as [part] with data.services as cart with data.sidegate.workload as own
	}
}

test_others_are_not if {
	not authz.allow.allowed with input.parsed_path as ["admin"] with data.services as cart with data.sidegate.workload as own
}

test_another_service_has_no_answer_of_this_one if {
	other := {"namespace": "shop", "name": "checkout"}
	not authz.allow.allowed with input.parsed_path as ["items"] with data.services as cart with data.sidegate.workload as other
}
