"""Runs the command as `python -m beanvault`."""

import sys
from pathlib import Path

if __name__ == "__main__":
    if not sys.flags.safe_path:
        # Python puts the current folder first, whose modules would hide those of the project.
        sys.path[0] = str(Path(__file__).resolve().parent.parent)

    from beanvault.cli import main

    main()
