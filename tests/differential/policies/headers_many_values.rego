# Several values of one header.
# words: x-roles
package differential.headers_many_values

allow := {"allowed": true, "headers": {"x-roles": ["a", "b"]}}
