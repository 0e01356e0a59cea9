# Unions, intersections, differences.
# words: x-scope  read  read write  root  a b  a b c
package differential.sets

have contains scope if some scope in split(input.attributes.request.http.headers["x-scope"], " ")

need := {"GET": {"read"}, "POST": {"read", "write"}}[input.attributes.request.http.method]

default allow := false

allow if count(need - have) == 0

allow if "root" in (have | {"none"})

allow if have & {"a", "b"} == {"a", "b"}
