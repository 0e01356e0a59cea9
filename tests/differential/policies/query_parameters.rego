# Decisions on the query.
# words: id  debug  lang  7  8  9  true  /q?id=8  /q?id=9&id=x
package differential.query_parameters

default allow := false

allow if input.parsed_query.debug == ["true"]

allow if {
	some id in input.parsed_query.id
	to_number(id) > 7
}

allow if {
	not input.parsed_query.lang
	count(input.parsed_query) > 2
}
