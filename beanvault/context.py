"""What all commands share: the global options, and what follows from them when a command first asks."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from rich.console import Console

import templates
from templates.deployment import Deployment
from templates.deployment_file import DeploymentFileError, read

from .aws import Aws
from .deployment.deploy import DeploymentContext
from .errors import ConfigurationError
from .terminal import Terminal, consoles


@dataclass
class CommandContext:
    """The options every command takes."""

    config: Path
    profile: str | None = None
    region: str | None = None
    debug: bool = False
    out: Console = field(default_factory=lambda: consoles()[0])
    remarks: Console = field(default_factory=lambda: consoles()[1])

    @cached_property
    def root(self) -> Path:
        """The project's folder, from where templates, function and bundle are made."""
        return Path(templates.__file__).resolve().parent.parent

    @cached_property
    def deployment(self) -> Deployment:
        """The deployment file, read and checked.

        Raises:
            ConfigurationError: the deployment file has mistakes, all of them named
        """
        try:
            return read(self.config)
        except DeploymentFileError as error:
            remedy = "make one with `beanvault init`" if not self.config.exists() else "correct all of these"
            raise ConfigurationError(str(error), remedy) from None

    @cached_property
    def aws(self) -> Aws:
        """The session; its region is the deployment's unless --region says otherwise."""
        region = self.region
        if region is None and self.config.exists():
            region = self.deployment.region
        return Aws.connect(self.profile, region)

    def terminal(self, *, yes: bool = False, accepts_loss: bool = False) -> Terminal:
        return Terminal(self.remarks, yes, accepts_loss)

    def work(self, terminal: Terminal) -> DeploymentContext:
        return DeploymentContext(self.deployment, self.aws, terminal, self.root)

    def say(self, text: str) -> None:
        """Print a remark."""
        self.remarks.print(text)
