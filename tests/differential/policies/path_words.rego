# Prefixes, suffixes and what is contained.
# words: /public/x  /a/style.css  /x/open/y  /x/open/../y
package differential.path_words

default allow := false

path := input.attributes.request.http.path

allow if startswith(path, "/public/")

allow if endswith(path, ".css")

allow if {
	contains(path, "/open/")
	not contains(path, "..")
}
