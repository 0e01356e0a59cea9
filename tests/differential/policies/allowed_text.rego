# `allowed` that is no boolean.
package differential.allowed_text

allow := {"allowed": "true"}
