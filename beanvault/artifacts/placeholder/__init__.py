"""The version an environment is created with, before there is a database credential for the real one.

Without a version Beanstalk runs its sample application, which doesn't listen on 443: the environment would
never be healthy, and every immutable update of it would fail.
"""

from __future__ import annotations

from pathlib import Path

from .. import deterministic_zip

PLATFORM_FILES = (
    ".platform/hooks/prebuild/10_certificate.sh",
    ".platform/nginx/conf.d/elasticbeanstalk/00_application.conf",
    ".platform/nginx/conf.d/https.conf",
)
"""TLS on the instance, as the real bundle has it."""
PROCFILE = b"web: python serve.py --port 8000\n"


def build(root: Path, destination: Path) -> Path:
    """Write the source bundle to *destination*, from the project at *root*; return *destination*."""
    entries = [(name, (root / name).read_bytes()) for name in PLATFORM_FILES]
    entries += [("Procfile", PROCFILE), ("serve.py", Path(__file__).with_name("serve.py").read_bytes())]
    destination.parent.mkdir(parents=True, exist_ok=True)
    deterministic_zip.write(destination, entries, {name for name in PLATFORM_FILES if name.endswith(".sh")})
    return destination
