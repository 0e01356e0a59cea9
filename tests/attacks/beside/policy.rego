# Rego beside the declaration that narrows nothing: with it the form is the plan.
package services.pay.payments

allow := true
