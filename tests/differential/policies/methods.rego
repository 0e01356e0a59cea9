# Which methods anybody may use.
package differential.methods

default allow := false

allow if input.attributes.request.http.method in {"GET", "HEAD", "OPTIONS"}
