# The package is the decision.
# entrypoint: allowed
package differential.whole_package

default allowed := false

allowed if input.attributes.request.http.method == "GET"

headers := {"x-from": "package"}
