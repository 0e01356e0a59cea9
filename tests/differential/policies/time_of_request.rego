# Time in the request itself; only whether it is there.
package differential.time_of_request

default allow := false

allow if {
	input.attributes.request.time.seconds > 1700000000
	input.attributes.request.time.nanos >= 0
}
