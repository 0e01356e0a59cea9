# Paths by globs with a delimiter.
# words: /static/js/app.js  /v1/items/7  /v1/items/7/x  /a/x.png  /b/y/z.png
package differential.path_glob

default allow := false

path := split(input.attributes.request.http.path, "?")[0]

allow if glob.match("/static/**", ["/"], path)

allow if glob.match("/v?/items/*", ["/"], path)

allow if glob.match("/{a,b}/*.png", ["/"], path)
