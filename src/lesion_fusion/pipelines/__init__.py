"""One folder per stage: wiring and thin nodes."""
