"""The stage `reporting`."""
