# Several values of one header of a deny.
package differential.deny_headers_many

allow := {"allowed": false, "headers": {"x-why": ["a", "b"], "www-authenticate": ["Basic", "Bearer"]}}
