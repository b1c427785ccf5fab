"""Events on the bus: both ends build and parse them here."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from eb_app.replication_request import ReplicationRequester
from replicator.contract.events import (
    REPLICATION_REQUESTED,
    SECRET_REPLICATED,
    ReplicationRequest,
    RequestReason,
    SecretChange,
    SecretReplicated,
)
from replicator.errors import ConfigError


def event(**detail: object) -> Mapping[str, object]:
    return {"source": "beanvault", "detail-type": "Replication Requested", "detail": detail}


def test_a_schedule_and_a_request_without_paths_ask_for_everything() -> None:
    assert ReplicationRequest.from_event({"source": "aws.events"}) == ReplicationRequest()
    assert ReplicationRequest.from_event(event(reason="push")) == ReplicationRequest(
        reason=RequestReason.PUSH
    )


def test_paths_are_asked_for_once_and_without_slashes_around_them() -> None:
    assert ReplicationRequest.from_event(event(paths=["/b/x/", "a/y", "b/x"])).sources == ("a/y", "b/x")


def test_a_dry_run_is_asked_for_by_true_alone() -> None:
    """A text such as "false" would be taken for a yes by Python, and for a no by its writer."""
    assert ReplicationRequest.from_event(event(dry_run=True)).dry_run is True
    assert ReplicationRequest.from_event(event()).dry_run is False
    with pytest.raises(ConfigError, match="dry_run"):
        ReplicationRequest.from_event(event(dry_run="false"))


@pytest.mark.parametrize("paths", ["a/b", [1], {"a": 1}])
def test_paths_that_are_not_a_list_of_texts_are_refused(paths: object) -> None:
    with pytest.raises(ConfigError, match="list of strings"):
        ReplicationRequest.from_event(event(paths=paths))


@pytest.mark.parametrize("path", ["kv/../other/data/x", "kv/./a", "kv//a", "..", "/"])
def test_paths_that_lead_elsewhere_are_refused(path: str) -> None:
    """A URL with them in it would be another one."""
    with pytest.raises(ConfigError, match="names a path that can't be requested"):
        ReplicationRequest.from_event(event(paths=["kv/good", path]))


@pytest.mark.parametrize("reason", RequestReason)
@pytest.mark.parametrize("sources", [None, ("a/x", "b/y")])
@pytest.mark.parametrize("dry_run", [True, False])
def test_a_request_is_read_from_the_event_that_it_builds(
    reason: RequestReason, sources: tuple[str, ...] | None, dry_run: bool
) -> None:
    request = ReplicationRequest(sources, reason, dry_run)
    assert ReplicationRequest.from_event(REPLICATION_REQUESTED.event(request.detail())) == request


def test_a_reason_that_is_not_known_stops_no_request() -> None:
    assert ReplicationRequest.from_event(event(reason="a deployment")).reason is RequestReason.OTHER
    assert ReplicationRequest.from_event(event()).reason is RequestReason.OPERATOR


@pytest.mark.parametrize("change", SecretChange)
def test_a_replicated_secret_is_read_from_the_detail_that_it_builds(change: SecretChange) -> None:
    replicated = SecretReplicated("kv/db", "shop/db", "arn:aws:secretsmanager:…", "1-2-3", change)
    assert SecretReplicated.from_detail(replicated.detail()) == replicated


def test_an_entry_carries_the_same_event_as_json() -> None:
    entry = SECRET_REPLICATED.entry({"name": "shop/db"}, "shop-beanvault")
    assert entry == {
        "Source": "beanvault.replicator",
        "DetailType": "Secret Replicated",
        "Detail": '{"name": "shop/db"}',
        "EventBusName": "shop-beanvault",
    }


class Entries(list[dict[str, str]]):
    """Collects the entries that an app puts on its bus."""

    def put_events(self, *, Entries: list[dict[str, str]]) -> dict[str, object]:  # noqa: N803 - the SDK's name
        self.extend(Entries)
        return {"FailedEntryCount": 0, "Entries": [{}]}


def test_the_sample_app_puts_the_same_request_on_the_bus() -> None:
    """It cannot import the contract: a bundle contains the app alone."""
    entries = Entries()
    ReplicationRequester(entries, "shop-beanvault", "beanvault/app/database")()
    request = ReplicationRequest(("beanvault/app/database",), RequestReason.DEMAND)
    (entry,) = entries
    expected = REPLICATION_REQUESTED.entry(request.detail(), "shop-beanvault")
    assert {**entry, "Detail": json.loads(entry["Detail"])} == {
        **expected,
        "Detail": json.loads(expected["Detail"]),
    }
