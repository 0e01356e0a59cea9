# Roles of callers, and what roles may: the policy that OPA's documentation begins with.
package bench.rbac

import rego.v1

default allow := false

allow if {
	some role in data.user_roles[input.source_principal]
	some grant in data.role_grants[role]
	grant.method == input.attributes.request.http.method
	grant.resource == input.parsed_path[0]
}
