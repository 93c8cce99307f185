"""The stage `preprocessing`."""
