"""Pages of the operator and the auditor: the register of organisations, the policy, the journal."""
