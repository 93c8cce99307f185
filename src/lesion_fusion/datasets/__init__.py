"""Kedro datasets of this project's own."""
