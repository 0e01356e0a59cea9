# The same written with dots.
# entrypoint: decision
package differential.dotted_object

decision.allowed if input.attributes.request.http.method == "GET"

decision.allowed := false if input.attributes.request.http.method != "GET"

decision.headers["x-path"] := concat("/", input.parsed_path)

decision.http_status := 405 if input.attributes.request.http.method != "GET"
