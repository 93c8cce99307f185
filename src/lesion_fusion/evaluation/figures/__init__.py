"""Figures of curves and tables, in one look, drawn without global state."""
