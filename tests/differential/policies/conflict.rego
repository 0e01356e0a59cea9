# Two values at once for some requests.
# words: /a  /b
package differential.conflict

allow if input.attributes.request.http.method == "GET"

allow := false if "a" in input.parsed_path
