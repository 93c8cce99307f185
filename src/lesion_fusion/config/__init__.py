"""The configuration of a run: all parameters in one tree, checked once, before anything runs."""
