"""The pipeline that compares networks and optimizers."""
