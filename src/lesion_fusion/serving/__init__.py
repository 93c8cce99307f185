"""The served model: raw record and raw image in, calibrated probability and decision out."""

from __future__ import annotations

from pathlib import Path

# In the folder of a served model, the networks that draw outlines.
OUTLINE_NETWORKS = "outline_networks.keras"


def entry_path() -> Path:
    """Return the file that MLflow runs to build the served model."""
    return Path(__file__).with_name("entry.py")
