"""A page in the browser for a reader: image, outline and record in, an answer of the served model out."""
