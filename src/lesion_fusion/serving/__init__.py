"""The served model: raw record and raw image in, calibrated probability and decision out."""
