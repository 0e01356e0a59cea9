# Claims of a token that Envoy's jwt_authn has verified.
package sidegate.authz

claims := input.attributes.metadataContext.filterMetadata["envoy.filters.http.jwt_authn"].payload

claim(test) := object.get(claims, test.path, null)

claim_holds(test) if claim_has(claim(test), test.values)

claim_fails(_) if not claims

# Neither text nor a list of texts: whoever asks cannot know.
claim_fails(test) if {
	value := claim(test)
	claim_is_text(value)
	not claim_has(value, test.values)
}

claim_has(value, values) if values[value]

claim_has(value, values) if {
	is_array(value)
	some item in value
	values[item]
}

claim_is_text(value) if is_null(value)

claim_is_text(value) if is_string(value)

claim_is_text(value) if {
	is_array(value)
	every item in value {
		is_string(item)
	}
}
