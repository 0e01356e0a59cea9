# Every service says in its data which parts of it are open; a slice has the data of its own service alone.
# The response tells which version decided, which `make demo-rollout` looks at.
package envoy.authz

import rego.v1

service := data.services[data.sidegate.workload.namespace][data.sidegate.workload.name]

default allow := {"allowed": false}

allow := {"allowed": true, "response_headers_to_add": {"x-policy": service.version}} if {
	input.parsed_path[0] in service.open
}
