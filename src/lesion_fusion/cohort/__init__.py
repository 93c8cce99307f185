"""The cohort: schema and roles of a case, readers, the study and its folds, the audit, the synthetic cohort."""
