"""The order in which layers are deployed.

CloudFormation refuses to remove an export that another stack imports. So the stack that exports is deployed
first when an export is added, and last when one is removed. Pure: calls nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import Refused


@dataclass(frozen=True, slots=True)
class StackDependencies:
    """The names that a stack exports and imports."""

    exports: frozenset[str] = frozenset()
    imports: frozenset[str] = frozenset()


def deployment_order(
    before: Mapping[str, StackDependencies], after: Mapping[str, StackDependencies]
) -> tuple[str, ...]:
    """Return the stacks of *after*, the desired ones, in an order that CloudFormation accepts.

    They keep their given order unless a dependency requires another. *before* has all existing stacks,
    including those that don't change.

    Raises:
        Refused: there is no such order; the error names the dependencies in the way
    """
    state, waiting, order = dict(before), dict(after), list[str]()
    while waiting:
        ready = next((name for name in waiting if not _obstacles(name, state, waiting)), None)
        if ready is None:
            reasons = [reason for name in waiting for reason in _obstacles(name, state, waiting)]
            raise Refused(
                f"nothing was changed, because CloudFormation would refuse it: {'; '.join(reasons)}",
                "make the changes one after the other, deploy those layers too, or revert the conflicting "
                "change in the deployment file (docs/operations.md#changing-a-deployment)",
            )
        state[ready] = waiting.pop(ready)
        order.append(ready)
    return tuple(order)


def _obstacles(
    name: str, state: Mapping[str, StackDependencies], waiting: Mapping[str, StackDependencies]
) -> list[str]:
    """Return why the stack *name* can't be deployed while everything else is as in *state*."""
    desired = waiting[name]
    removed = state.get(name, StackDependencies()).exports - desired.exports
    available = frozenset[str]().union(*(dependencies.exports for dependencies in state.values()))
    return [
        *(
            f"{name} would no longer export {export}, which {other} imports"
            for other, dependencies in state.items()
            for export in sorted(removed & dependencies.imports)
            if other != name
        ),
        *(
            f"{name} imports {export} of {other}, which is not deployed yet"
            for other, dependencies in waiting.items()
            for export in sorted((desired.imports & dependencies.exports) - available)
            if other != name
        ),
    ]
