"""Generates the reference pages from the code: `python -m scripts.docs` writes them."""
