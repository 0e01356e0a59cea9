# Both.
# words: x-tenant  a b  tenant  token  acme&co  /x?token=t&tenant=other
package differential.query_set_and_removed

allow := {
	"allowed": true,
	"query_parameters_to_set": {"tenant": input.attributes.request.http.headers["x-tenant"]},
	"query_parameters_to_remove": ["token"],
}
