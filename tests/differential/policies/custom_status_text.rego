# A status that is no number.
package differential.custom_status_text

allow := {"allowed": false, "http_status": "404"}
