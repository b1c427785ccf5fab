"""The names of Beanstalk's own buckets, as the EB CLI computes them."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from collections.abc import Collection, Mapping

_PROGRAM = """
import json, sys
from ebcli.lib.elasticbeanstalk import _get_env_resources_bucket_name
print(json.dumps({region: _get_env_resources_bucket_name(region) for region in sys.argv[1:]}))
"""


def env_resources_buckets(regions: Collection[str]) -> Mapping[str, str]:
    """Return the bucket of each region.

    In a process of its own: importing the EB CLI replaces botocore's parser of answers, for every client.
    """
    return _asked(tuple(sorted(regions)))


@functools.cache
def _asked(regions: tuple[str, ...]) -> Mapping[str, str]:
    command = [sys.executable, "-c", _PROGRAM, *regions]
    done = subprocess.run(command, capture_output=True, check=True, timeout=60)
    names: dict[str, str] = json.loads(done.stdout)
    return names
