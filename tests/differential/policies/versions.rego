# Clients by their version.
# words: x-version  1.4.0  1.3.9  1.4.0-rc.1  2.0.0  x  1.4
package differential.versions

default allow := false

version := input.attributes.request.http.headers["x-version"]

allow if {
	semver.is_valid(version)
	semver.compare(version, "1.4.0") >= 0
}
