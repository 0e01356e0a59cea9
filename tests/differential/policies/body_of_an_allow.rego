# A body and a status where nothing is denied are not looked at.
package differential.body_of_an_allow

allow := {"allowed": true, "body": 7, "http_status": "x"}
