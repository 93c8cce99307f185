"""Encoders, classifiers with their grids, nested evaluation."""
