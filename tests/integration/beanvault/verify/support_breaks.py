"""What a hurried person does to an account by hand: for each control of `verify` what breaks it, and it only.

Each break is a function of the site: it breaks something, yields, and puts it back.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from beanvault.aws import Aws
from beanvault.verify.account.stacks import StackResource
from beanvault.verify.account.state import AccountState
from beanvault.verify.checks import CONTROLS
from beanvault.verify.model import Finding, Status
from beanvault.verify.run import verify
from templates.deployment import Deployment

OPEN = {"Sid": "Open", "Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}


def policy(*statements: Mapping[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


@dataclass
class Site:
    """A deployment, and the account it is in."""

    deployment: Deployment
    aws: Aws
    _made: Mapping[tuple[str, str], StackResource] = field(init=False)

    def __post_init__(self) -> None:
        self._made = AccountState(self.deployment, self.aws).stacks.resources

    def client(self, service: str) -> Any:
        return self.aws.client(service)

    def made(self, layer: str, logical: str) -> str:
        """Return the physical id of a resource."""
        return self._made[layer, logical].physical_id

    def group(self, title: str) -> str:
        return self.made("network", f"{title}SecurityGroup")

    def findings(self, *but: str, aws: Aws | None = None) -> list[Finding]:
        """Return what verify finds now, of all controls but those."""
        only = tuple(control.id for control in CONTROLS if control.id not in but)
        return list(verify(AccountState(self.deployment, aws or self.aws), only))

    def red(self) -> set[str]:
        """Return the controls that fail or couldn't be asked."""
        return {
            finding.id
            for finding in self.findings(*UNTOUCHED_HERE)
            if finding.status in (Status.FAIL, Status.UNKNOWN)
        }


Breaking = Callable[[Site], Iterator[None]]


@dataclass(frozen=True, slots=True)
class Break:
    """*controls* are all that turn red."""

    controls: frozenset[str]
    name: str
    does: Breaking

    @contextmanager
    def made(self, site: Site) -> Iterator[None]:
        steps = self.does(site)
        next(steps)
        try:
            yield
        finally:
            with suppress(StopIteration):
                next(steps)


class Table(list[Break]):
    """The breaks of one area."""

    def breaks(self, *controls: str) -> Callable[[Breaking], Breaking]:
        """Decorate what breaks just these controls."""

        def add(does: Breaking) -> Breaking:
            self.append(Break(frozenset(controls), does.__name__.strip("_"), does))
            return does

        return add

    def add(self, controls: str, does: Breaking, name: str) -> None:
        self.append(Break(frozenset(controls.split()), name, does))


NOT_BROKEN: Mapping[str, str] = {
    "SEC05-BP01": "a subnet stays in its zone for ever",
    "BV.FN6": "moto keeps a function's tracing as it is",
    "SEC08-BP01": "moto keeps a function's key as it is",
    "ELB.13": "Elastic Load Balancing refuses a single zone",
    "ELB.22": "the app doesn't serve plain HTTP: such an update never gets healthy, and is taken back",
    "RDS.3": "encryption can't be switched off; a database without it is another one",
    "RDS.23": "the local AWS tells MariaDB's own port, whatever was asked for",
    "RDS.25": "a master user can't be renamed",
    "RDS.43": "moto has no ModifyDBProxy",
    "SEC06-BP01": "the platforms on offer are AWS's to change",
    "Route53.2": "the zone is there before the deployment, and its queries are logged by whose it is",
    "BV.SM2": "needs a Vault: test_command_line.py edits a secret, test_verify_controls.py tells the rest",
    "SecretsManager.3": "ninety days have to pass: test_verify_controls.py passes them",
}
"""Controls that no break of this module is about, and why."""

UNTOUCHED_HERE = ("BV.SM2", "Route53.2")
"""Red from the start: no Vault is connected, and the zone is not ours."""
