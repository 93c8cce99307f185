"""The served model: raw record and raw image in, calibrated probability and decision out."""

from __future__ import annotations

from pathlib import Path


def entry_path() -> Path:
    """Return the file that MLflow runs to build the served model."""
    return Path(__file__).with_name("entry.py")
