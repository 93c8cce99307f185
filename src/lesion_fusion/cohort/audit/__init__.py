"""The cohort audit: who is in a cohort, defects of its record and files, and what gives the outcome away."""
