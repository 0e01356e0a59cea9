# Documents reached by a name from the request.
# words: x-team  red  blue  /blue  /sky
package differential.data_by_variable

default allow := false

team := input.attributes.request.http.headers["x-team"]

allow if data.data_by_variable_data[team].open

allow if input.parsed_path[0] in data.data_by_variable_data[team].paths
