"""Story of replicator/aws.py, replicator/errors.py, replicator/apply.py and replicator/target.py.

AWS's failures (`aws.py`, `target.py`, `notify.py`): reported, nothing else changes, the next recovers.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from replicator.aws import CLIENT_CONFIG
from replicator.contract.summary import ProblemKind
from testbed.servers.proxy import FORWARD, Behaviour, Cut, Drop, ProxiedCall, ProxyAnswer

from .support_bad_days import PATHS, Day, aws_error, doing, once_each, sometimes
from .support_notify import Mailbox

THROTTLED = aws_error("ThrottlingException")
ATTEMPTS = CLIENT_CONFIG.retries["total_max_attempts"]  # type: ignore[attr-defined]  # set by its constructor
PASSING: dict[str, Behaviour] = {
    "throttling": THROTTLED,
    "an internal error": aws_error("InternalServiceError", 500),
    "an internal error after the call was carried out": aws_error("InternalServiceError", 500, after=True),
    "no answer": Drop(),
    "no answer after the call was carried out": Drop(after=True),
}
ON_A_WRITE = {
    "throttling": (THROTTLED, "TargetThrottled"),
    "an internal error": (aws_error("InternalServiceError", 500), "TargetUnavailable"),
    "no answer": (Drop(), "TargetUnavailable"),
    "a refused right": (aws_error("AccessDeniedException", message="not authorized"), "TargetDenied"),
    "credentials that expired": (aws_error("ExpiredTokenException"), "TargetDenied"),
    "a clock that is wrong": (aws_error("InvalidSignatureException"), "TargetDenied"),
    "a limit": (aws_error("LimitExceededException"), "TargetError"),
}


def of(*operations: str) -> Callable[[ProxiedCall], bool]:
    return lambda call: call.operation in operations


def writes_value(call: ProxiedCall) -> bool:
    return call.operation in ("CreateSecret", "PutSecretValue")


def about(day: Day, path: str, *operations: str) -> Callable[[ProxiedCall], bool]:
    """Whether a call is one of *operations* about the secret of *path*."""
    name = f"{day.bench.name(path)}".encode()
    return lambda call: call.operation in operations and name in call.body


def versions(day: Day, path: str) -> int:
    return len(day.bench.describe(path)["VersionIdsToStages"])


@pytest.mark.parametrize("behaviour", PASSING.values(), ids=PASSING)
def test_a_failure_that_meets_each_call_once_is_retried(day: Day, behaviour: Behaviour) -> None:
    """Creations, new versions, moved stages, deletions and restored secrets, each call made twice or more."""
    day.bench.set(deletion_days=7, max_delete_share=1.0)
    kv = day.bench.vault.secrets.kv.v2
    day.begin()
    day.bench.write("gone", password="canary")
    day.bench.write("returns", password="canary")
    day.invoke()
    kv.delete_latest_version_of_secret("returns", mount_point=day.bench.mount)
    kv.delete_metadata_and_all_versions("gone", mount_point=day.bench.mount)
    day.bench.write("new", password="canary")
    old, new = sorted(day.bench.describe("db")["VersionIdsToStages"].items(), key=lambda pair: pair[1])[::-1]
    day.bench.aws.update_secret_version_stage(
        SecretId=day.bench.name("db"),
        VersionStage="AWSCURRENT",
        MoveToVersionId=old[0],
        RemoveFromVersionId=new[0],
    )
    day.aws.rule = once_each(behaviour)
    result = day.invoke()
    assert (result.failed, result.messages) == (None, [])
    assert (result.counts["Created"], result.counts["Updated"], result.counts["Deleted"]) == (1, 1, 2)
    kv.undelete_secret_versions("returns", versions=[1], mount_point=day.bench.mount)
    day.aws.rule = once_each(behaviour)
    result = day.invoke()
    assert (result.failed, result.counts["Restored"]) == (None, 1)
    day.calm()
    day.shows(2)
    assert [versions(day, path) for path in PATHS] == [2, 2, 2]
    day.rests(len(PATHS) + 2)


@pytest.mark.parametrize(("behaviour", "error"), ON_A_WRITE.values(), ids=ON_A_WRITE)
def test_a_secret_that_cannot_be_written_is_reported_and_the_others_are_replicated(
    day: Day, behaviour: Behaviour, error: str
) -> None:
    day.begin()
    day.aws.rule = sometimes(about(day, "team/a", "PutSecretValue"), behaviour)
    result = day.invoke()
    assert [(each.subject, each.error) for each in result.problems] == [("team/a", error)]
    assert result.counts["Updated"] == 2
    day.shows(1, "team/a")
    day.shows(2, "db", "team/b")
    day.assert_reported(result)
    day.recovers(1)


def test_throttling_of_all_writes_is_reported_for_each_and_retried_as_configured(day: Day) -> None:
    day.begin()
    day.aws.rule = sometimes(writes_value, THROTTLED)
    result = day.invoke()
    assert result.errors == {"TargetThrottled"}
    assert result.counts["Failed"] == len(PATHS)
    assert day.writes() == ["PutSecretValue"] * (len(PATHS) * ATTEMPTS)
    day.shows(1)
    day.assert_reported(result)
    day.recovers()


def test_a_truncated_connection_secret_is_not_a_wrong_one(day: Day) -> None:
    day.begin()
    day.aws.rule = sometimes(of("GetSecretValue"), Cut())
    result = day.invoke()
    assert [each.error for each in result.problems] == ["TargetUnavailable"]
    day.assert_reported(result)
    day.recovers()


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [(THROTTLED, "TargetThrottled"), (Drop(), "TargetUnavailable"), (Cut(), "TargetUnavailable")],
)
def test_a_listing_that_fails_ends_the_run_before_anything_is_changed(
    day: Day, behaviour: Behaviour, error: str
) -> None:
    day.bench.set(deletion_days=7, max_delete_share=1.0)
    day.begin()
    day.aws.rule = sometimes(of("ListSecrets"), behaviour)
    result = day.invoke()
    assert [(each.kind, each.error) for each in result.problems] == [(ProblemKind.RUN, error)]
    assert day.writes() == []
    day.assert_reported(result)
    day.recovers()


@pytest.mark.parametrize(
    "behaviour",
    [aws_error("InternalServiceError", 500, after=True), Drop(after=True), Cut()],
    ids=["answered with an error", "not answered", "half answered"],
)
def test_a_write_whose_answer_was_lost_needs_no_change_in_the_next_run(
    day: Day, behaviour: Behaviour
) -> None:
    day.begin()
    day.aws.rule = sometimes(writes_value, behaviour)
    result = day.invoke()
    assert result.errors == {"TargetUnavailable"}
    assert result.counts["Failed"] == len(PATHS)
    day.shows(2)  # value and identity are there, the note for people isn't
    day.calm()
    day.forget()
    result = day.invoke()
    assert (result.failed, result.counts["Unchanged"]) == (None, len(PATHS))
    assert set(day.writes()) == {"TagResource"}
    assert {day.bench.tags(path)["beanvault:version"] for path in PATHS} == {"2"}
    assert [versions(day, path) for path in PATHS] == [2, 2, 2]
    day.rests()


def test_a_name_that_another_owner_takes_during_the_run_is_not_overwritten(day: Day) -> None:
    day.begin()
    day.recovers(reported_before=False)
    day.bench.write("new", password="canary-ours")
    name = day.bench.name("new")
    day.aws.rule = doing(
        of("CreateSecret"), lambda: day.bench.aws.create_secret(Name=name, SecretString="canary-theirs")
    )
    result = day.invoke()
    (problem,) = result.problems
    assert (problem.subject, problem.error) == ("new", "TargetError")
    assert "ResourceExistsException" in problem.cause
    day.assert_reported(result)
    day.calm()
    result = day.invoke()
    assert [(each.subject, each.error) for each in result.problems] == [("new", "Conflict")]
    assert (day.bench.value("new"), day.bench.tags("new")) == ("canary-theirs", {})
    day.bench.set(adopt=frozenset({name}))
    result = day.invoke()
    assert (result.failed, result.counts["Updated"]) == (None, 1)
    assert json.loads(day.bench.value("new")) == {"password": "canary-ours"}
    day.rests(len(PATHS) + 1)


def test_a_secret_that_is_deleted_during_the_run_is_restored_by_the_next(day: Day) -> None:
    day.begin()
    name = day.bench.name("db")
    day.aws.rule = doing(
        about(day, "db", "PutSecretValue"), lambda: day.bench.aws.delete_secret(SecretId=name)
    )
    result = day.invoke()
    (problem,) = result.problems
    assert (problem.subject, problem.error) == ("db", "TargetError")
    assert "InvalidRequestException" in problem.cause
    day.assert_reported(result)
    day.calm()
    result = day.invoke()
    assert (result.failed, result.counts["Restored"]) == (None, 1)
    day.shows(2)
    day.rests()


@pytest.mark.parametrize("state", ["disabled", "pending deletion"])
def test_a_kms_key_that_refuses_is_reported_and_no_secret_changes(day: Day, state: str) -> None:
    kms = day.bench.session.client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    day.bench.set(kms_key=key, kms_keys_allowed=frozenset({key}))
    day.begin()
    if state == "disabled":
        kms.disable_key(KeyId=key)
    else:
        kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    result = day.invoke()
    assert result.errors == {"TargetDenied"}
    assert all("the KMS key refuses" in each.cause for each in result.problems)
    assert result.counts["Failed"] == len(PATHS)
    day.assert_reported(result)
    if state == "pending deletion":
        kms.cancel_key_deletion(KeyId=key)
    kms.enable_key(KeyId=key)
    day.shows(1)
    day.recovers()


class TestListsThatLag:
    """`ListSecrets` answers what was true some minutes ago; all else is current."""

    def stop_the_list(self, day: Day) -> None:
        """From now on, lists show what is true now."""
        bodies: list[bytes] = []
        event = "before-parse.secretsmanager.ListSecrets"
        day.bench.aws.meta.events.register(
            event, lambda response_dict, **_: bodies.append(response_dict["body"])
        )
        day.bench.secrets()
        stale = ProxyAnswer(200, bodies[0])
        day.aws.rule = sometimes(of("ListSecrets"), stale)

    def nothing_is_done(self, day: Day, unchanged: int = len(PATHS)) -> None:
        day.forget()
        result = day.invoke()
        assert (result.failed, result.messages, day.writes()) == (None, [], [])
        assert result.counts["Unchanged"] == unchanged
        assert not [call for call in day.vault.calls() if "/data/" in call.path]
        day.calm()
        day.rests(unchanged)

    def test_a_secret_that_was_just_created_is_not_created_again(self, day: Day) -> None:
        self.stop_the_list(day)
        day.begin()
        day.write(2)
        self.nothing_is_done_but_versions(day)

    def nothing_is_done_but_versions(self, day: Day) -> None:
        """The list does not even show the secrets; the new versions are written, each once."""
        result = day.invoke()
        assert (result.failed, result.counts["Updated"], result.counts["Created"]) == (None, len(PATHS), 0)
        self.nothing_is_done(day)

    def test_a_secret_that_was_just_updated_is_not_written_again(self, day: Day) -> None:
        day.begin()
        self.stop_the_list(day)
        assert day.invoke().counts["Updated"] == len(PATHS)
        self.nothing_is_done(day)

    def test_a_secret_that_was_just_deleted_is_not_deleted_again(self, day: Day) -> None:
        day.bench.set(deletion_days=7, max_delete_share=1.0)
        day.begin()
        day.invoke()
        self.stop_the_list(day)
        day.bench.vault.secrets.kv.v2.delete_metadata_and_all_versions("db", mount_point=day.bench.mount)
        assert day.invoke().counts["Deleted"] == 1
        self.nothing_is_done(day, len(PATHS) - 1)

    def test_a_secret_that_returned_is_not_deleted_from_an_old_list(self, day: Day) -> None:
        """Somebody else's secret has taken the name since; the list shows ours."""
        day.begin()
        day.invoke()
        self.stop_the_list(day)
        name = day.bench.name("db")
        day.bench.aws.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
        day.bench.aws.create_secret(Name=name, SecretString="canary-theirs")
        day.bench.set(deletion_days=7, max_delete_share=1.0)
        day.bench.vault.secrets.kv.v2.delete_metadata_and_all_versions("db", mount_point=day.bench.mount)
        self.nothing_is_done(day, len(PATHS) - 1)
        assert day.bench.value("db") == "canary-theirs"

    def test_a_path_that_was_written_again_is_restored_once(self, day: Day) -> None:
        day.bench.set(deletion_days=7, max_delete_share=1.0)
        day.begin()
        day.invoke()
        day.bench.vault.secrets.kv.v2.delete_metadata_and_all_versions("db", mount_point=day.bench.mount)
        day.invoke()
        self.stop_the_list(day)
        day.bench.write("db", password="canary-2")
        assert day.invoke().counts["Restored"] == 1
        day.shows(2)
        self.nothing_is_done(day)


class TestTellingFails:
    def test_a_topic_that_fails_does_not_stop_the_replication_and_is_published_to_later(
        self, day: Day
    ) -> None:
        day.begin()
        day.bench.write("odd")
        day.aws.rule = sometimes(of("Publish"), aws_error("InternalError", 500))
        result = day.invoke()
        assert [(each.subject, each.error) for each in result.problems] == [
            ("", "TargetUnavailable"),
            ("odd", "ValueRefused"),
        ]
        assert result.counts["Updated"] == len(PATHS)
        day.shows(2)
        day.calm()
        result = day.invoke()
        assert [each.error for each in result.problems] == ["ValueRefused"]
        day.assert_reported(result)

    def test_a_state_that_cannot_be_recorded_is_published_twice_rather_than_never(self, day: Day) -> None:
        day.begin()
        day.bench.write("odd")
        connection = day.bench.config.connection_secret.encode()
        day.aws.rule = sometimes(
            lambda call: call.operation == "TagResource" and connection in call.body,
            aws_error("InternalServiceError", 500),
        )
        for _ in range(2):
            assert len(day.invoke().messages) == 1
        day.calm()
        assert len(day.invoke().messages) == 1
        assert day.invoke().messages == []

    @pytest.mark.parametrize(
        "behaviour",
        [
            aws_error("InternalException", 500),
            ProxyAnswer(200, b'{"FailedEntryCount":1,"Entries":[{"ErrorCode":"ThrottlingException"}]}'),
        ],
        ids=["of the whole call", "of one event"],
    )
    def test_a_bus_that_fails_does_not_stop_the_replication_and_the_run_fails(
        self, day: Day, bus: Mailbox, behaviour: Behaviour
    ) -> None:
        day.begin()
        day.aws.rule = sometimes(of("PutEvents"), behaviour)
        result = day.invoke()
        assert [each.kind for each in result.problems] == [ProblemKind.RUN]
        assert "PutEvents on the bus" in result.problems[0].cause
        assert result.counts["Updated"] == len(PATHS)
        day.shows(2)
        day.assert_reported(result)
        day.recovers(0)
        assert len(bus.read()) == len(PATHS)  # those of the beginning

    def test_a_continuation_that_cannot_be_requested_is_a_failure_that_lambda_retries(
        self, day: Day, bus: Mailbox
    ) -> None:
        day.begin()
        day.aws.rule = sometimes(of("PutEvents"), aws_error("InternalException", 500))
        result = day.invoke(context=day.short_after_a_write())
        assert result.failed is not None
        assert 0 < result.counts["Updated"] < len(PATHS)
        day.assert_reported(result)
        bus.read()
        day.recovers(len(PATHS) - result.counts["Updated"])


class TestUnforeseen:
    def test_a_bug_that_ends_the_run_is_reported_by_class_and_place(self, day: Day) -> None:
        """An answer of another shape than AWS's stands for any unforeseen failure."""
        day.begin()
        day.aws.rule = sometimes(of("ListSecrets"), ProxyAnswer(200, b'{"canary":"x"}'))
        result = day.invoke()
        (problem,) = result.problems
        assert (problem.kind, problem.error) == (ProblemKind.RUN, "Unforeseen")
        assert problem.cause.startswith("KeyError at replicate.py:")
        assert "target.py:" in problem.cause
        day.assert_reported(result)
        day.recovers()

    def test_a_bug_about_one_secret_does_not_stop_the_others(self, day: Day) -> None:
        day.begin()
        day.bench.write("new", password="canary")
        day.aws.rule = sometimes(of("CreateSecret"), ProxyAnswer(200, b"{}", after=True))
        result = day.invoke()
        assert [(each.subject, each.error) for each in result.problems] == [("new", "Unforeseen")]
        assert result.counts["Updated"] == len(PATHS)
        day.assert_reported(result)
        day.calm()
        assert day.invoke().failed is None
        day.rests(len(PATHS) + 1)

    def test_a_bug_in_a_notification_does_not_hide_what_was_done(self, day: Day) -> None:
        day.begin()
        day.bench.write("odd")
        day.aws.rule = lambda call: (
            ProxyAnswer(200, b"<html>canary", "text/html") if call.operation == "Publish" else FORWARD
        )
        result = day.invoke()
        assert ProblemKind.RUN in {each.kind for each in result.problems}
        assert result.counts["Updated"] == len(PATHS)
        day.shows(2)
