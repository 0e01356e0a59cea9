# A set of values.
# words: x-wanted  b,a  c  x-roles
package differential.headers_set

roles contains role if some role in split(input.attributes.request.http.headers["x-wanted"], ",")

allow := {"allowed": true, "headers": {"x-roles": roles}}
