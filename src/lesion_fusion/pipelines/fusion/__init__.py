"""The stage `fusion`."""
