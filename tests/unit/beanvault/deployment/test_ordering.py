"""The order of layers: an export exists before it is imported, and is removed after its last importer."""

import pytest

from beanvault.deployment.ordering import StackDependencies, deployment_order
from beanvault.errors import Refused


def _dependencies(exports: str = "", imports: str = "") -> StackDependencies:
    return StackDependencies(frozenset(exports.split()), frozenset(imports.split()))


def test_layers_keep_their_order_unless_a_dependency_requires_another() -> None:
    after = {
        "network": _dependencies("vpc"),
        "data": _dependencies("host", "vpc"),
        "app": _dependencies("", "vpc host"),
    }
    assert deployment_order({}, after) == ("network", "data", "app")
    assert deployment_order(after, after) == ("network", "data", "app")


def test_a_new_import_waits_for_its_export() -> None:
    assert deployment_order({}, {"app": _dependencies("", "host"), "data": _dependencies("host")}) == (
        "data",
        "app",
    )


def test_an_export_is_removed_after_its_importers() -> None:
    before = {
        "network": _dependencies("group"),
        "data": _dependencies("host", "group"),
        "app": _dependencies("", "host"),
    }
    after = {"network": _dependencies(), "data": _dependencies(), "app": _dependencies()}
    assert deployment_order(before, after) == ("app", "data", "network")


def test_an_export_that_is_still_imported_is_not_removed() -> None:
    """The importer isn't deployed this time, is a stack of others, or keeps the import."""
    before = {"network": _dependencies("group"), "data": _dependencies("", "group")}
    with pytest.raises(Refused, match="network would no longer export group, which data imports"):
        deployment_order(before, {"network": _dependencies()})
    with pytest.raises(Refused, match="nothing was changed"):
        deployment_order(before, {"network": _dependencies(), "data": _dependencies("", "group")})


def test_exports_of_other_stacks_are_not_waited_for() -> None:
    """CloudFormation checks them."""
    assert deployment_order({}, {"app": _dependencies("", "elsewhere")}) == ("app",)


def test_two_conflicting_changes_are_named() -> None:
    """A subnet more and a group less: each alone has an order, both together have none."""
    before = {"network": _dependencies("group"), "data": _dependencies("", "group")}
    with pytest.raises(Refused, match="data imports; data imports subnet of network") as refused:
        deployment_order(before, {"network": _dependencies("subnet"), "data": _dependencies("", "subnet")})
    assert "one after the other" in refused.value.remedy
