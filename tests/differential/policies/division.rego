# Arithmetic that may be undefined.
# words: x-n  0  1  2  4  5  7  -3  20  11
package differential.division

default allow := false

n := to_number(input.attributes.request.http.headers["x-n"])

allow if 10 / n > 1

allow if n % 2 == 1
