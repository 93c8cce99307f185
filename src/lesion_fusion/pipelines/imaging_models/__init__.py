"""The stage `imaging_models`."""
