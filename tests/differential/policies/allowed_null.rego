# `allowed` that is null for some.
package differential.allowed_null

allow := {"allowed": null} if input.attributes.request.http.method == "POST"

else := {"allowed": true}
