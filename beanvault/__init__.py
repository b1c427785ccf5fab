"""The operator's command line, and the library behind it."""

__version__ = "0.1.0.dev0"
