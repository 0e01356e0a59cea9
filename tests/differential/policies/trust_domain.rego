# Anyone of the own trust domain.
package differential.trust_domain

default allow := false

own := split(trim_prefix(input.attributes.destination.principal, "spiffe://"), "/")[0]

allow if {
	theirs := split(trim_prefix(input.attributes.source.principal, "spiffe://"), "/")[0]
	theirs == own
}
