"""Breast-lesion classification from a B-mode ultrasound image and the patient's record."""

import os

__version__ = "0.1.0"

# Tables here are small: threads of linear algebra wait for each other longer than they compute, and the last digits
# would depend on their number. Asked before numpy is imported; a number that is set already stays.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
