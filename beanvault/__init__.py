"""The operator's side of beanvault: the command line and the library under it."""

__version__ = "0.1.0.dev0"
