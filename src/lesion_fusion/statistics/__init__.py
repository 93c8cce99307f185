"""Bootstrap, metrics, curves and tests from arrays alone: knows no cohort and no table."""
