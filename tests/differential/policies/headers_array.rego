# Headers as an array of objects, one name twice.
# words: x-a  x-b
package differential.headers_array

allow := {"allowed": true, "headers": [{"x-a": "1"}, {"x-a": "2", "x-b": "3"}]}
