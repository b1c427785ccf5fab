"""The version that an environment is created with, before the credential for the app's own version exists.

Without a version Beanstalk runs its sample application, which doesn't listen on 443: the environment would
never become healthy, and every immutable update of it would fail.
"""

from __future__ import annotations

from pathlib import Path

from .. import deterministic_zip
from ..project import require

PLATFORM_FILES = (
    ".platform/hooks/prebuild/10_certificate.sh",
    ".platform/nginx/conf.d/elasticbeanstalk/00_application.conf",
    ".platform/nginx/conf.d/https.conf",
)
"""TLS on the instance, as in the app's own bundle."""
PROCFILE = b"web: python serve.py --port 8000\n"


def build(project: Path, destination: Path) -> Path:
    """Write the placeholder's source bundle to *destination*; return *destination*.

    Raises:
        ConfigurationError: *project* isn't a clone of the project
    """
    require(project, PLATFORM_FILES)
    entries = [(name, (project / name).read_bytes()) for name in PLATFORM_FILES]
    entries += [("Procfile", PROCFILE), ("serve.py", Path(__file__).with_name("serve.py").read_bytes())]
    destination.parent.mkdir(parents=True, exist_ok=True)
    deterministic_zip.write(destination, entries, {name for name in PLATFORM_FILES if name.endswith(".sh")})
    return destination
