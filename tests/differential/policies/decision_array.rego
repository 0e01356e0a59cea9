# A decision that is an array.
package differential.decision_array

allow := [true]
