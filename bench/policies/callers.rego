# Who may call which service, looked up in data.
package bench.callers

import rego.v1

default allow := false

allow if {
	grant := data.callers.orders[input.source_principal]
	input.attributes.request.http.method in grant.methods
	startswith(input.attributes.request.http.path, grant.prefix)
}
