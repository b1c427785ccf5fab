"""Manual changes of an account: for each control of `verify` a change that makes it fail, and no other.

Each break is a generator function of the site: it changes something, yields, and restores it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from beanvault.aws import Aws
from beanvault.verify.account.stacks import DeployedResource
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
    """A deployment, and the account in which it is deployed."""

    deployment: Deployment
    aws: Aws
    _resources: Mapping[tuple[str, str], DeployedResource] = field(init=False)

    def __post_init__(self) -> None:
        self._resources = AccountState(self.deployment, self.aws).stacks.resources

    def client(self, service: str) -> Any:
        return self.aws.client(service)

    def physical_id(self, layer: str, logical_id: str) -> str:
        """Return the physical id of a resource."""
        return self._resources[layer, logical_id].physical_id

    def group(self, title: str) -> str:
        return self.physical_id("network", f"{title}SecurityGroup")

    def findings(self, *excluded: str, aws: Aws | None = None) -> list[Finding]:
        """Return the current findings of all controls except *excluded*."""
        only = tuple(control.id for control in CONTROLS if control.id not in excluded)
        return list(verify(AccountState(self.deployment, aws or self.aws), only))

    def failing(self) -> set[str]:
        """Return the controls that fail or couldn't be checked."""
        return {
            finding.id
            for finding in self.findings(*NOT_MET_HERE)
            if finding.status in (Status.FAIL, Status.UNKNOWN)
        }


Change = Callable[[Site], Iterator[None]]


@dataclass(frozen=True, slots=True)
class Break:
    """A change that makes *controls* fail, and no others."""

    controls: frozenset[str]
    name: str
    change: Change

    @contextmanager
    def applied(self, site: Site) -> Iterator[None]:
        steps = self.change(site)
        next(steps)
        try:
            yield
        finally:
            with suppress(StopIteration):
                next(steps)


class Table(list[Break]):
    """The breaks of one area."""

    def breaks(self, *controls: str) -> Callable[[Change], Change]:
        """Decorate a change that makes just these controls fail."""

        def add(change: Change) -> Change:
            self.append(Break(frozenset(controls), change.__name__.strip("_"), change))
            return change

        return add

    def add(self, controls: str, change: Change, name: str) -> None:
        self.append(Break(frozenset(controls.split()), name, change))


NOT_BROKEN: Mapping[str, str] = {
    "SEC05-BP01": "a subnet can't be moved to another zone",
    "BV.FN6": "moto ignores changes of a function's tracing",
    "SEC08-BP01": "moto ignores changes of a function's key",
    "ELB.13": "Elastic Load Balancing rejects a single zone",
    "ELB.22": "the app doesn't serve plain HTTP: such an update never becomes healthy, and is rolled back",
    "RDS.3": "encryption can't be turned off",
    "BV.DATA2": "RDS takes no version back: test_database.py has versions of other series",
    "RDS.23": "the local AWS always reports MariaDB's own port",
    "RDS.25": "a master user can't be renamed",
    "RDS.43": "moto has no ModifyDBProxy",
    "SEC06-BP01": "only AWS ends a branch: test_environment.py has its states",
    "Route53.2": "the zone isn't part of the deployment",
    "BV.SM2": "needs Vault: test_command_line.py edits a secret, test_controls.py has the other cases",
    "SecretsManager.3": "takes ninety days: test_controls.py sets the dates",
}
"""Controls without a break here, and why."""

NOT_MET_HERE = ("BV.SM2", "Route53.2")
"""Failing from the start: no Vault is connected, and the zone's queries are not logged."""
