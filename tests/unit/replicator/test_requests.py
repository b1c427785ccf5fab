"""What an event asks the function for."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from replicator.errors import ConfigError
from replicator.handler import request_of
from replicator.replicate import ReplicationRequest


def asking(**detail: object) -> Mapping[str, object]:
    return {"source": "beanvault", "detail-type": "Replication Requested", "detail": detail}


def test_a_schedule_and_a_request_without_paths_ask_for_everything() -> None:
    assert request_of({"source": "aws.events"}) == ReplicationRequest()
    assert request_of(asking(reason="push")) == ReplicationRequest(reason="push")


def test_paths_are_asked_for_once_and_without_slashes_around_them() -> None:
    assert request_of(asking(paths=["/b/x/", "a/y", "b/x"])).sources == ("a/y", "b/x")


def test_a_dry_run_is_asked_for_by_true_alone() -> None:
    """A text such as "false" would be taken for a yes by Python, and for a no by its writer."""
    assert request_of(asking(dry_run=True)).dry_run is True
    assert request_of(asking()).dry_run is False
    with pytest.raises(ConfigError, match="dry_run"):
        request_of(asking(dry_run="false"))


@pytest.mark.parametrize("paths", ["a/b", [1], {"a": 1}])
def test_paths_that_are_no_list_of_texts_are_refused(paths: object) -> None:
    with pytest.raises(ConfigError, match="list of strings"):
        request_of(asking(paths=paths))


@pytest.mark.parametrize("path", ["kv/../other/data/x", "kv/./a", "kv//a", "..", "/"])
def test_paths_that_lead_elsewhere_are_refused(path: str) -> None:
    """A URL with them in it would be another one."""
    with pytest.raises(ConfigError, match="with the path"):
        request_of(asking(paths=["kv/good", path]))
