"""The generated pages of the documentation: `python -m scripts.docs` writes them anew from the code."""
