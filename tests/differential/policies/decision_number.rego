# A decision that is a number.
package differential.decision_number

allow := 1
