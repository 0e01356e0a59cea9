# Which service may call, by the identity in its certificate.
package differential.principals

default allow := false

allow if input.attributes.source.principal in {
	"spiffe://cluster.local/ns/default/sa/frontend",
	"spiffe://cluster.local/ns/payments/sa/api",
}
