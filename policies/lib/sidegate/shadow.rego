# Services that are tried out: the decision says so, and the proxy carries nothing out. What the mesh denies is no
# matter of trying.
package sidegate.authz

decision := object.union(intended, {"mode": "shadow"}) if {
	service.mode == "shadow"
	base_agrees
}

intended := answer

intended := {"allowed": false, "http_status": 403} if not answer
