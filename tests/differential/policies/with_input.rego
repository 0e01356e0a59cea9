# A rule asked about another input.
# words: /public  /private  x-path  public
package differential.with_input

default allow := false

public if input.path == ["public"]

allow if public with input as {"path": input.parsed_path}

allow if public with input.path as [input.attributes.request.http.headers["x-path"]]
