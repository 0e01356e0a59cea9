# Sums, counts, sorted sets.
# words: x-list  1,2,3  3,1  5  2,2,2  1,x
package differential.comprehensions

numbers := [to_number(x) | some x in split(input.attributes.request.http.headers["x-list"], ",")]

allow := {"allowed": sum(numbers) > 3, "headers": {
	"x-sum": format_int(sum(numbers), 10),
	"x-sorted": json.marshal(sort(numbers)),
	"x-max": sprintf("%d", [max(numbers)]),
	"x-distinct": sprintf("%d", [count({n | some n in numbers})]),
}}
