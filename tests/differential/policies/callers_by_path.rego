# Data says which caller gets to which path.
package differential.callers_by_path

default allow := false

allow if {
	some prefix
	callers := data.callers_by_path_data[prefix]
	startswith(input.attributes.request.http.path, prefix)
	input.source_principal in callers
}
