"""In which order layers are deployed: exports before who imports them, and who imports them before they go.

CloudFormation refuses to take away an export that another stack imports. So what makes something for others
comes first while it is added, and last while it is taken away. Pure: is told what there is, calls nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import Refused


@dataclass(frozen=True, slots=True)
class StackDependencies:
    """What a stack exports, and what it imports, by name."""

    exports: frozenset[str] = frozenset()
    imports: frozenset[str] = frozenset()


def arrange(
    before: Mapping[str, StackDependencies], after: Mapping[str, StackDependencies]
) -> tuple[str, ...]:
    """Return the stacks of *after*, as they are to be, in an order that CloudFormation takes.

    They keep the order they are given in where nothing speaks against it. *before* has all stacks there are,
    also those that stay as they are.

    Raises:
        Refused: there is no such order; the error names what is in whose way
    """
    state, waiting, order = dict(before), dict(after), list[str]()
    while waiting:
        ready = next((name for name in waiting if not _obstacles(name, state, waiting)), None)
        if ready is None:
            reasons = [reason for name in waiting for reason in _obstacles(name, state, waiting)]
            raise Refused(
                f"nothing was changed, because CloudFormation would refuse it: {'; '.join(reasons)}",
                "make the changes one after the other, name those layers, too, or undo what is in the way in "
                "the deployment file (docs/operations.md#changing-a-deployment)",
            )
        state[ready] = waiting.pop(ready)
        order.append(ready)
    return tuple(order)


def _obstacles(
    name: str, state: Mapping[str, StackDependencies], waiting: Mapping[str, StackDependencies]
) -> list[str]:
    """Return why the stack *name* can't be deployed as long as everything else is as in *state*."""
    wanted, none = waiting[name], StackDependencies()
    others = {other: sides for other, sides in state.items() if other != name}
    going = state.get(name, none).exports - wanted.exports
    there = frozenset[str]().union(*(sides.exports for sides in state.values()))
    return [
        *(
            f"{name} would no longer export {export}, which {other} uses"
            for other, sides in others.items()
            for export in sorted(going & sides.imports)
        ),
        *(
            f"{name} needs {export} of {other}"
            for other, sides in waiting.items()
            for export in sorted((wanted.imports & sides.exports) - there)
            if other != name
        ),
    ]
