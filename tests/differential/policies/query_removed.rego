# Query parameters that are removed.
# words: debug  absent  /x?debug=1&a=2&debug=3  /x?debug
package differential.query_removed

allow := {"allowed": true, "query_parameters_to_remove": ["debug", "absent"]}
