# Names in other cases.
# words: x-user  x-user-id
package differential.headers_case

allow := {"allowed": true, "headers": {"X-User": "Alice", "x-USER-Id": "7"}}
