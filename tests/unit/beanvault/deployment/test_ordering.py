"""The order of layers: nobody imports what isn't there, and nothing goes that somebody imports."""

import pytest

from beanvault.deployment.ordering import StackDependencies, deployment_order
from beanvault.errors import Refused


def _dependencies(exports: str = "", imports: str = "") -> StackDependencies:
    return StackDependencies(frozenset(exports.split()), frozenset(imports.split()))


def test_layers_keep_their_order_where_nothing_speaks_against_it() -> None:
    after = {
        "network": _dependencies("vpc"),
        "data": _dependencies("host", "vpc"),
        "app": _dependencies("", "vpc host"),
    }
    assert deployment_order({}, after) == ("network", "data", "app")
    assert deployment_order(after, after) == ("network", "data", "app")


def test_who_imports_something_new_waits_for_it() -> None:
    assert deployment_order({}, {"app": _dependencies("", "host"), "data": _dependencies("host")}) == (
        "data",
        "app",
    )


def test_who_imports_something_leaves_it_before_it_goes() -> None:
    before = {
        "network": _dependencies("group"),
        "data": _dependencies("host", "group"),
        "app": _dependencies("", "host"),
    }
    after = {"network": _dependencies(), "data": _dependencies(), "app": _dependencies()}
    assert deployment_order(before, after) == ("app", "data", "network")


def test_what_somebody_goes_on_importing_can_not_go() -> None:
    """A layer that isn't deployed this time, a stack of somebody else, or one that holds on to it."""
    before = {"network": _dependencies("group"), "data": _dependencies("", "group")}
    with pytest.raises(Refused, match="network would no longer export group, which data imports"):
        deployment_order(before, {"network": _dependencies()})
    with pytest.raises(Refused, match="nothing was changed"):
        deployment_order(before, {"network": _dependencies(), "data": _dependencies("", "group")})


def test_what_is_not_ours_to_make_does_not_hold_anything_up() -> None:
    """Exports of other stacks, or a layer deployed alone: CloudFormation knows."""
    assert deployment_order({}, {"app": _dependencies("", "elsewhere")}) == ("app",)


def test_two_changes_that_are_in_each_others_way_are_named() -> None:
    """A subnet more and a group less: each alone has an order, both together have none."""
    before = {"network": _dependencies("group"), "data": _dependencies("", "group")}
    with pytest.raises(Refused, match="data imports; data imports subnet of network") as refused:
        deployment_order(before, {"network": _dependencies("subnet"), "data": _dependencies("", "subnet")})
    assert "one after the other" in refused.value.remedy
