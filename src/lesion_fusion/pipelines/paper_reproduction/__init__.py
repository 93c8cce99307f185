"""The pipeline `paper_reproduction`."""
