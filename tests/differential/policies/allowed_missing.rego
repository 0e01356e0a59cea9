# An object without `allowed`.
package differential.allowed_missing

allow := {"allow": true, "headers": {"x-a": "1"}}
