# A function with two answers for some.
# words: /a  /b  /ab  /a/b
package differential.conflict_of_functions

level(path) := 1 if startswith(path, "/a")

level(path) := 2 if endswith(path, "b")

allow if level(input.attributes.request.http.path) > 0
