# Query parameters that are set.
# words: user  lang  /x?user=mallory&lang=fr&z=1
package differential.query_set

allow := {"allowed": true, "query_parameters_to_set": {"user": "alice", "lang": ["en", "de"]}}
