# Whose rules these are: what the bundle was built for.
package sidegate.authz

workload := data.sidegate.workload
