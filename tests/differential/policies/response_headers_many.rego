# Several of them, one name twice.
package differential.response_headers_many

allow := {"allowed": true, "response_headers_to_add": [{"set-cookie": "a=1"}, {"set-cookie": ["b=2", "c=3"]}]}
