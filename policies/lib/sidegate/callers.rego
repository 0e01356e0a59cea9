# Who calls. The principal is the certificate's, as Envoy has it; a certificate with several URI SANs is no
# SPIFFE identity: any of them may match a deny, none an allow.
package sidegate.authz

principal := input.attributes.source.principal if input.attributes.source.principal != ""

several_names if count(input.sidegate.source.uri_sans) > 1

only_principal := principal if not several_names

no_principal if {
	not principal
	not has_names
}

has_names if count(input.sidegate.source.uri_sans) > 0

identity := identity_of(only_principal)

identity_of(uri) := {"trust_domain": trust_domain, "namespace": namespace, "service_account": service_account} if {
	["spiffe:", "", trust_domain, "ns", namespace, "sa", service_account] = split(uri, "/")
	trust_domain != ""
	namespace != ""
	service_account != ""
}

# This proxy's trust domain, and what the mesh has as names for the same.
own_trust_domain := parts[2] if {
	parts := split(input.attributes.destination.principal, "/")
	parts[0] == "spiffe:"
	parts[1] == ""
	parts[2] != ""
}

is_own(trust_domain) if trust_domain == own_trust_domain

is_own(trust_domain) if data.sidegate.trust_domain_aliases[trust_domain]

own_identity := identity if is_own(identity.trust_domain)

allow_caller(rule) if service.allow.callers.sa[own_identity.namespace][own_identity.service_account][rule]

allow_caller(rule) if service.allow.callers.ns[own_identity.namespace][rule]

allow_caller(rule) if {
	accounts := service.allow.callers.td_sa[identity.trust_domain]
	accounts[identity.namespace][identity.service_account][rule]
}

allow_caller(rule) if service.allow.callers.td_ns[identity.trust_domain][identity.namespace][rule]

allow_caller(rule) if service.allow.callers.td[identity.trust_domain][rule]

allow_caller(rule) if service.allow.callers.principal[only_principal][rule]

allow_caller(rule) if {
	service.allow.callers.authenticated[rule]
	only_principal
}

allow_caller(rule) if {
	service.allow.callers.anonymous[rule]
	no_principal
}

principals contains principal

principals contains uri if some uri in input.sidegate.source.uri_sans

deny_caller(callers, rule) if callers.everyone[rule]

deny_caller(callers, rule) if {
	callers.authenticated[rule]
	not no_principal
}

deny_caller(callers, rule) if {
	callers.anonymous[rule]
	not principal
}

deny_caller(callers, rule) if {
	rules := callers.principal
	some uri in principals
	rules[uri][rule]
}

deny_caller(callers, rule) if {
	rules := callers.sa
	some uri in principals
	caller := identity_of(uri)
	might_be_own(caller.trust_domain)
	rules[caller.namespace][caller.service_account][rule]
}

deny_caller(callers, rule) if {
	rules := callers.ns
	some uri in principals
	caller := identity_of(uri)
	might_be_own(caller.trust_domain)
	rules[caller.namespace][rule]
}

deny_caller(callers, rule) if {
	rules := callers.td_sa
	some uri in principals
	caller := identity_of(uri)
	rules[caller.trust_domain][caller.namespace][caller.service_account][rule]
}

deny_caller(callers, rule) if {
	rules := callers.td_ns
	some uri in principals
	caller := identity_of(uri)
	rules[caller.trust_domain][caller.namespace][rule]
}

# Any name of the trust domain, in whichever form.
deny_caller(callers, rule) if {
	rules := callers.td
	some uri in principals
	startswith(uri, "spiffe://")
	rules[split(uri, "/")[2]][rule]
}

might_be_own(trust_domain) if is_own(trust_domain)

# Who does not know the own trust domain cannot say that another is not it.
might_be_own(_) if not own_trust_domain
