"""Metrics, intervals, comparisons, curves, tables and figures, from predictions alone."""
