# Dynamic metadata is of no concern to the upstream.
package differential.metadata

allow := {"allowed": true, "dynamic_metadata": {"team": "a", "n": [1, {"x": null}]}}
