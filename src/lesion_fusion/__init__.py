"""Breast-lesion classification from a B-mode ultrasound image and the patient's record."""

__version__ = "0.1.0"
