"""Kedro hooks: reuse of results, MLflow tags, closing messages."""
