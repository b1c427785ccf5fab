"""The operator's command line, and the library behind it."""

from pathlib import Path

__version__ = "0.1.0.dev0"

DEFAULT_CONFIG = Path("beanvault.toml")
"""The deployment file, unless --config or BEANVAULT_CONFIG names another."""
