"""Checks of this machine: the programs that the commands and the documents use."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import uv

from .result import PreflightResult, Verdict

INSTALL_TUNNEL_TOOLS = (
    "install it: https://docs.aws.amazon.com/systems-manager/latest/userguide/"
    "session-manager-working-with-install-plugin.html (the AWS CLI: "
    "https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html)"
)


def check_tools() -> Iterator[PreflightResult]:
    yield PreflightResult("python", Verdict.GOOD, ".".join(map(str, sys.version_info[:3])))
    beside_python = str(Path(sys.executable).parent)
    eb = shutil.which("eb", path=os.pathsep.join([beside_python, os.environ.get("PATH", "")]))
    if eb:
        yield PreflightResult("EB CLI", Verdict.GOOD, eb)
    else:
        yield PreflightResult(
            "EB CLI", Verdict.BAD, "eb is not on PATH", "run ./scripts/setup, or install awsebcli"
        )
    yield PreflightResult("uv", Verdict.GOOD, uv.find_uv_bin())
    for name, program in (("AWS CLI", "aws"), ("Session Manager plugin", "session-manager-plugin")):
        if path := shutil.which(program):
            yield PreflightResult(name, Verdict.GOOD, path)
        else:
            yield PreflightResult(
                name,
                Verdict.UNKNOWN,
                f"{program} is not on PATH; only tunnels to the sample Vault host and the database need it",
                INSTALL_TUNNEL_TOOLS,
            )
