"""The report: what a study's results say, in words, tables and figures, in one HTML file."""
