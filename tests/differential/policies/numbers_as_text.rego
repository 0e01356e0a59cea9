# Numbers keep their form.
# words: x-json  1  1.0  1.50  1e2  100000000000000000000  -0  [1,2.0]  {"b":1,"a":[true,null]}  0.1
package differential.numbers_as_text

n := json.unmarshal(input.attributes.request.http.headers["x-json"])

allow := {"allowed": true, "headers": {"x-back": json.marshal(n), "x-text": sprintf("%v", [n])}}
