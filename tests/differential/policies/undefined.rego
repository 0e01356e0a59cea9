# No decision at all but for GET.
package differential.undefined

allow if input.attributes.request.http.method == "GET"
