# Beside refunds.yaml, and with less to say: it can deny, and narrow what the declaration allows (docs/declare.md).
package services.backoffice.refunds

http := input.attributes.request.http

# A refund is paid once: whoever asks for one says which ticket it is for.
deny contains "a refund without a ticket" if {
	http.method == "POST"
	not ticket
}

ticket if regex.match(`^[A-Z]+-[0-9]+$`, http.headers["x-ticket"])
