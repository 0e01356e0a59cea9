# Keys that mean nothing.
package differential.unknown_keys

allow := {"allowed": true, "allow": false, "header": {"x-a": "1"}, "status": 500, "reason": {"a": [1]}}
