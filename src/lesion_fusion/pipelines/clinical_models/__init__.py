"""The stage `clinical_models`."""
