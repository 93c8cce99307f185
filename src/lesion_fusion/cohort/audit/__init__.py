"""The cohort audit: who is in a cohort, what its record and files hide, and what gives the outcome away."""
