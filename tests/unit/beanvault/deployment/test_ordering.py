"""The order of layers: nobody imports what isn't there, and nothing goes that somebody imports."""

import pytest

from beanvault.deployment.ordering import StackDependencies, arrange
from beanvault.errors import Refused


def _sides(exports: str = "", imports: str = "") -> StackDependencies:
    return StackDependencies(frozenset(exports.split()), frozenset(imports.split()))


def test_layers_keep_their_order_where_nothing_speaks_against_it() -> None:
    after = {"network": _sides("vpc"), "data": _sides("host", "vpc"), "app": _sides("", "vpc host")}
    assert arrange({}, after) == ("network", "data", "app")
    assert arrange(after, after) == ("network", "data", "app")


def test_who_imports_something_new_waits_for_it() -> None:
    assert arrange({}, {"app": _sides("", "host"), "data": _sides("host")}) == ("data", "app")


def test_who_imports_something_leaves_it_before_it_goes() -> None:
    before = {"network": _sides("group"), "data": _sides("host", "group"), "app": _sides("", "host")}
    after = {"network": _sides(), "data": _sides(), "app": _sides()}
    assert arrange(before, after) == ("app", "data", "network")


def test_what_somebody_goes_on_importing_can_not_go() -> None:
    """A layer that isn't deployed this time, a stack of somebody else, or one that holds on to it."""
    before = {"network": _sides("group"), "data": _sides("", "group")}
    with pytest.raises(Refused, match="network would no longer export group, which data uses"):
        arrange(before, {"network": _sides()})
    with pytest.raises(Refused, match="nothing was changed"):
        arrange(before, {"network": _sides(), "data": _sides("", "group")})


def test_what_is_not_ours_to_make_does_not_hold_anything_up() -> None:
    """Exports of other stacks, or a layer deployed alone: CloudFormation knows."""
    assert arrange({}, {"app": _sides("", "elsewhere")}) == ("app",)


def test_two_changes_that_are_in_each_others_way_are_named() -> None:
    """A subnet more and a group less: each alone has an order, both together have none."""
    before = {"network": _sides("group"), "data": _sides("", "group")}
    with pytest.raises(Refused, match="data uses; data needs subnet of network") as refused:
        arrange(before, {"network": _sides("subnet"), "data": _sides("", "subnet")})
    assert "one after the other" in refused.value.remedy
