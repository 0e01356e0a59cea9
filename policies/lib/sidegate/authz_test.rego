package sidegate.authz_test

import data.sidegate.authz

web := "spiffe://cluster.local/ns/shop/sa/web"

own := "spiffe://cluster.local/ns/pay/sa/charges"

request(method, path, principal) := {"attributes": {
	"source": {"principal": principal},
	"destination": {"principal": own},
	"request": {"http": {"method": method, "path": path, "host": "charges.pay:8080", "headers": {":path": path}}},
}}

only(service) := {
	"workload": {"namespace": "pay", "name": "charges-v1"},
	"workloads": {"pay": {"charges-v1": "charges"}},
	"services": {"pay": {"charges": object.union({"owner": "team"}, service)}},
	"trust_domain_aliases": {"old.example": true},
}

table(clauses, callers, paths) := object.union(
	{"clauses": clauses, "callers": callers, "any": [], "exact": {}, "lengths": [], "open": []},
	paths,
)

shop := {"ns": {"shop": {"0": true}}}

clause := {"rule": "0", "tests": []}

everything := table([clause], shop, {"any": [0]})

answer(service, question) := decision if {
	document := only(service)
	decision := authz.decision with data.sidegate.services as document.services
		with data.sidegate.workloads as document.workloads
		with data.sidegate.workload as document.workload
		with data.sidegate.trust_domain_aliases as document.trust_domain_aliases
		with input as question
}

allows(service, question) if answer(service, question).allowed

test_nothing_declared_is_a_deny if {
	authz.decision == {"allowed": false, "http_status": 403} with input as request("GET", "/", web)
	not allows({}, request("GET", "/", web))
}

test_a_workload_that_nobody_declares if {
	document := only({})
	nobodys := authz.decision with data.sidegate.workloads as {}
		with data.sidegate.workload as document.workload
		with input as request("GET", "/", web)
	nobodys == {"allowed": false, "http_status": 403, "undeclared": true}
}

test_a_namespace_is_allowed if {
	answer({"allow": everything}, request("GET", "/x", web)) == {"allowed": true}
	not allows({"allow": everything}, request("GET", "/x", "spiffe://cluster.local/ns/other/sa/web"))
	not allows({"allow": everything}, request("GET", "/x", "spiffe://other.example/ns/shop/sa/web"))
	allows({"allow": everything}, request("GET", "/x", "spiffe://old.example/ns/shop/sa/web"))
	not allows({"allow": everything}, request("GET", "/x", ""))
}

# Each is a case of its own: paths that no allow matches, not even one of every path.
test_odd_paths[path] if {
	some path in [
		"", "x", "//", "/a//b", "/.", "/..", "/a/./b", "/a/../b", "/a/..", "/a;b", "/a\\b", "/a#b", "/a b", "/a%", "/a%4",
		"/a%zz", "/a%2fb", "/a%2Fb", "/a%5cb", "/a%2e", "/%2E%2e/b", "/a%25", "/a%00", "/a%0a", "/a%1f", "/a%7f", "/a%3b",
		"/a%3f", "/a%23", "/a%c0%af", "/a%e0%80%af", "/a%ff", "/a%c3", "/a%ed%a0%80", "/a%f4%90%80%80", "/a%ef%bc%8f",
		"/a%ef%b9%92", "/é", "/a|b", "/{a}", "*", "http://evil/a",
	]
	not allows({"allow": everything}, request("GET", path, web))
}

test_plain_paths[path] if {
	some path in [
		"/", "/a", "/a/", "/a/b.c", "/a/b..c", "/...", "/a?b=//../;%2f", "/~a!$&'()*+,=:@-._", "/a%20b", "/%41", "/%c3%a9",
		"/%e2%82%ac", "/%f0%9f%98%80",
	]
	allows({"allow": everything}, request("GET", path, web))
}

test_shapes if {
	shapes := table([clause], shop, {
		"exact": {"/a": [0]},
		"lengths": [[], [], [], [{"mask": ["", "", "{}"], "least": 3, "paths": {"/b/{}": [0]}}]],
		"open": [{"mask": ["", "", "{}"], "least": 4, "paths": {"/c/{}": [0]}}],
	})
	every path in ["/a", "/a?b", "/b/1", "/c/1/", "/c/1/2/3"] {
		allows({"allow": shapes}, request("GET", path, web))
	}
	every path in ["/", "/A", "/a/", "/b", "/b/", "/b/1/", "/b/1/2", "/c/", "/c/1", "/d/1"] {
		not allows({"allow": shapes}, request("GET", path, web))
	}
}

test_denies_are_of_what_might_be_meant if {
	admin := table([clause], {"everyone": {"0": true}}, {
		"exact": {"/key": [0]},
		"lengths": [[], [], [], [{"mask": ["", "", "{}"], "least": 3, "paths": {"/s/{}": [0]}}]],
		"open": [{"mask": ["", ""], "least": 2, "paths": {"/admin": [0]}}],
	})
	every path in [
		"/admin", "/admin/", "/admin/x", "/ADMIN/x", "/%61dmin/x", "/key", "/Key/", "/%E2%84%AAey", "/%C5%BF/x", "/s/x/",
	] {
		not allows({"allow": everything, "deny": admin}, request("GET", path, web))
	}
	every path in ["/", "/admins", "/x/admin", "/key/x", "/s"] {
		allows({"allow": everything, "deny": admin}, request("GET", path, web))
	}
}

test_methods if {
	reads := table([object.union(clause, {"methods": {"GET": true}})], shop, {"any": [0]})
	allows({"allow": reads}, request("GET", "/", web))
	not allows({"allow": reads}, request("get", "/", web))
	not allows({"allow": reads}, request("POST", "/", web))
	denied := table(reads.clauses, {"everyone": {"0": true}}, {"any": [0]})
	not allows({"allow": everything, "deny": denied}, request("get", "/", web))
	allows({"allow": everything, "deny": denied}, request("POST", "/", web))
}
