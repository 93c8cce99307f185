"""Fitted models of every family, with one way to ask them for probabilities and one way to store them."""
