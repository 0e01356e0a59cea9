# A decision that is a set.
package differential.decision_set

allow contains true
