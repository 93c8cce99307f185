"""The pipeline of pretraining."""
