# Lists and objects that are empty.
package differential.query_empty

allow := {
	"allowed": true,
	"query_parameters_to_set": {},
	"query_parameters_to_remove": [],
	"headers": {},
	"request_headers_to_remove": [],
	"response_headers_to_add": {},
}
