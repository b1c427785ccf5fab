"""What all commands share: the global options, and what is derived from them on first use."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from rich.console import Console

from templates.deployment import Deployment
from templates.deployment_file import DeploymentFileError, read

from . import DEFAULT_CONFIG
from .aws import Aws
from .deployment.deployment_context import DeploymentContext
from .errors import ConfigurationError
from .terminal import Terminal, consoles


@dataclass
class CommandContext:
    """The global options."""

    config: Path
    project: Path
    """The clone whose files are packaged."""
    profile: str | None = None
    region: str | None = None
    out: Console = field(default_factory=lambda: consoles()[0])
    remarks: Console = field(default_factory=lambda: consoles()[1])

    @property
    def call(self) -> str:
        """The beginning of a printed command: `beanvault`, with --config where the file isn't the default."""
        if self.config == DEFAULT_CONFIG:
            return "beanvault"
        return f"beanvault --config {shlex.quote(str(self.config))}"

    @cached_property
    def deployment(self) -> Deployment:
        """The deployment file, read and validated.

        Raises:
            ConfigurationError: the deployment file has mistakes, all of which are in the message
        """
        try:
            return read(self.config)
        except DeploymentFileError as error:
            remedy = (
                f"create one with `{self.call} init`" if not self.config.exists() else "correct all of these"
            )
            raise ConfigurationError(str(error), remedy) from None

    @cached_property
    def aws(self) -> Aws:
        """The session; its region is --region, or else the deployment's."""
        region = self.region
        if region is None and self.config.exists():
            region = self.deployment.region
        return Aws.connect(self.profile, region)

    def terminal(self, *, yes: bool = False, accepts_loss: bool = False) -> Terminal:
        return Terminal(self.remarks, yes, accepts_loss)

    def deployment_context(self, terminal: Terminal) -> DeploymentContext:
        return DeploymentContext(self.deployment, self.aws, terminal, self.project)

    def say(self, text: str) -> None:
        """Print a remark."""
        self.remarks.print(text)
