# Text with expressions in it.
# words: x-user  alice
package differential.template_strings

allow := {"allowed": true, "headers": {"x-who": $"user={input.attributes.request.http.headers["x-user"]} path={input.parsed_path}"}}
