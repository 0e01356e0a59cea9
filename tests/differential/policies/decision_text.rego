# A decision that is text.
package differential.decision_text

allow := "yes" if input.attributes.request.http.method == "GET"

else := "no"
