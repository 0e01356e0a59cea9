# A loop over a list, the caller last in it.
package bench.members

import rego.v1

default allow := false

allow if {
	some member in data.members
	member == input.source_principal
}
