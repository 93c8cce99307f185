"""What a case is: schema and roles, loaders, the synthetic cohort, targets, folds and the audit."""
