"""The stage `ingestion`."""
