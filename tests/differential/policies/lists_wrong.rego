# Lists of names that are none.
# words: /remove/number  /remove/text  /remove/mixed  /remove/right  /query/object  /query/null  /query/right?x-a=1  /response/object  /response/mixed  /set/object  /set/text  /deny/number  /deny/mixed  x-a
package differential.lists_wrong

wrong := {"number": 7, "text": "x-a", "mixed": ["x-a", 1], "object": {"x-a": true}, "null": null, "right": ["x-a"]}

value := wrong[input.parsed_path[1]]

allow := {"allowed": true, "request_headers_to_remove": value} if input.parsed_path[0] == "remove"

allow := {"allowed": true, "query_parameters_to_remove": value} if input.parsed_path[0] == "query"

allow := {"allowed": true, "response_headers_to_add": value} if input.parsed_path[0] == "response"

allow := {"allowed": true, "query_parameters_to_set": value} if input.parsed_path[0] == "set"

allow := {"allowed": false, "request_headers_to_remove": value} if input.parsed_path[0] == "deny"
