# A body that is no text.
package differential.body_wrong

allow := {"allowed": false, "body": {"error": "no"}} if input.attributes.request.http.method != "GET"

allow := {"allowed": false, "body": null} if input.attributes.request.http.method == "GET"
