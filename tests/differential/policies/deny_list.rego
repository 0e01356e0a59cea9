# Everything but what is denied.
# words: user-agent  curl/8  firefox  chrome  /people  /x
package differential.deny_list

default allow := true

allow := false if count(deny) > 0

deny contains "admin" if "admin" in input.parsed_path

deny contains "agent" if contains(input.attributes.request.http.headers["user-agent"], "curl")

deny contains "method" if input.attributes.request.http.method == "DELETE"
