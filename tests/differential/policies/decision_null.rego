# A decision that is null.
package differential.decision_null

allow := null
