"""Story of replicator/vault.py and replicator/sources/.

Vault's failures (`vault.py`, `sources/`): reported, nothing else changed, the next run recovers.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from replicator.vault import TIMEOUTS
from testbed.servers.authority import Authority
from testbed.servers.process import free_port
from testbed.servers.proxy import Behaviour, Cut, Drop, Pass, Proxy, ProxyAnswer
from tests.conftest import openbao_only

from .support_bad_days import PATHS, SHORT, Day, doing, once_each, reads_any, sometimes, vault_error
from .support_notify import Context, Mailbox

PAGE = ProxyAnswer(404, b"<html><title>canary: not found</title></html>", "text/html")
QUOTA = vault_error(429, "request path canary: rate limit quota exceeded")
PASSING: dict[str, Behaviour] = {
    "a quota": QUOTA,
    "a standby": ProxyAnswer(429, b"", "application/json"),
    "a standby that lags": vault_error(412, "canary: required index state not present"),
    "a disaster recovery standby": ProxyAnswer(472, b"{}", "application/json"),
    "a performance standby": ProxyAnswer(473, b"{}", "application/json"),
    "an internal error": vault_error(500, "canary: internal error"),
    "a load balancer without Vault": ProxyAnswer(502, b"<html>canary", "text/html"),
    "a Vault that starts": vault_error(503, "canary: Vault is not ready"),
    "no answer": Drop(),
    "half an answer": Cut(),
    "a page instead of an answer": ProxyAnswer(200, b"<html>canary", "text/html"),
}


def reads(path: str) -> Any:
    return lambda call: call.method == "GET" and call.path.endswith(f"/data/{path}")


@pytest.mark.parametrize("behaviour", PASSING.values(), ids=PASSING)
def test_a_failure_that_meets_each_call_once_is_retried(day: Day, behaviour: Behaviour) -> None:
    day.begin()
    day.vault.rule = once_each(behaviour)
    result = day.invoke()
    assert (result.failed, result.messages, result.counts["Updated"]) == (None, [], len(PATHS))
    day.shows(2)
    day.rests()


@pytest.mark.parametrize("behaviour", PASSING.values(), ids=PASSING)
def test_a_lasting_failure_is_vault_being_unavailable_and_nothing_is_changed(
    deleting: Day, behaviour: Behaviour
) -> None:
    day = deleting
    day.vault.rule = sometimes(lambda _: True, behaviour)
    result = day.invoke()
    (problem,) = result.problems
    assert (problem.subject, problem.error) == ("", "SourceUnavailable")  # the mount
    assert "internal/ui/mounts" in problem.cause
    assert len(day.vault.calls()) == TIMEOUTS.attempts
    assert day.writes() == []
    day.assert_reported(result)
    day.recovers()


@pytest.mark.parametrize("name", ["a quota", "an internal error", "no answer", "half an answer"])
def test_a_value_that_cannot_be_read_changes_no_secret_and_the_others_are_replicated(
    deleting: Day, name: str
) -> None:
    day = deleting
    day.vault.rule = sometimes(reads("team/a"), PASSING[name])
    result = day.invoke()
    (problem,) = result.problems
    assert (problem.subject, problem.error) == ("team/a", "SourceUnavailable")
    assert result.counts["Updated"] == 2
    day.shows(1, "team/a")
    day.shows(2, "db", "team/b")
    day.assert_reported(result)
    day.recovers(1)


@pytest.mark.parametrize("folder", ["", "team/"], ids=["the mount", "a folder"])
def test_a_page_that_says_404_is_not_an_empty_folder(deleting: Day, folder: str) -> None:
    """A load balancer's page would otherwise delete whatever it hides."""
    day = deleting
    hidden = {
        f"/v1/{day.bench.mount}/{kind}/{folder}".rstrip("/") for kind in ("detailed-metadata", "metadata")
    }
    day.vault.rule = sometimes(lambda call: call.path.partition("?")[0].rstrip("/") in hidden, PAGE)
    result = day.invoke()
    assert [(each.subject, each.error) for each in result.problems] == [(folder, "SourceMissing")]
    assert result.counts["Deleted"] == 0
    assert result.counts["Updated"] == (0 if not folder else 1)
    day.assert_reported(result)
    day.recovers(3 if not folder else 2)


@pytest.mark.parametrize(
    "answer",
    [
        PAGE,
        ProxyAnswer(200, b'{"data":{}}', "application/json"),
        vault_error(404, "canary: no handler for route"),
    ],
    ids=["a page", "an empty answer", "a missing route"],
)
def test_metadata_that_is_not_of_vault_is_not_a_deleted_path(deleting: Day, answer: ProxyAnswer) -> None:
    day = deleting
    day.vault.rule = sometimes(lambda call: call.path.endswith("/metadata/team/a"), answer)
    result = day.invoke("team/a", "db")
    assert [each.subject for each in result.problems] == ["team/a"]
    assert result.counts["Updated"] == 1
    day.shows(1, "team/a", "team/b")
    day.recovers(2)


def test_a_real_quota_is_named_by_its_status_and_lifted_later(deleting: Day) -> None:
    day = deleting
    quota = f"/v1/sys/quotas/rate-limit/{day.bench.mount}"
    limit = {"path": f"{day.bench.mount}/", "rate": 0.001}
    day.bench.vault.adapter.post(quota, json=limit)
    try:
        result = day.invoke()
        assert result.errors == {"SourceUnavailable"}
        assert "status 429" in result.problems[0].cause
    finally:
        day.bench.vault.adapter.delete(quota)
    day.recovers(len(PATHS) - result.counts["Updated"])


def test_a_denied_path_is_reported_by_name_and_the_others_are_replicated(deleting: Day) -> None:
    day = deleting
    _connect_with(day, f'path "{day.bench.mount}/data/team/a" {{ capabilities = ["deny"] }}')
    result = day.invoke()
    (problem,) = result.problems
    assert (problem.subject, problem.error) == ("team/a", "SourceDenied")
    assert "grant it in the policy" in problem.cause
    day.shows(1, "team/a")
    day.assert_reported(result)
    _connect_with(day, "")
    day.recovers(1)


@openbao_only
def test_a_denied_folder_is_reported_and_its_paths_are_not_taken_for_deleted(deleting: Day) -> None:
    day = deleting
    _connect_with(day, f'path "{day.bench.mount}/detailed-metadata/team/*" {{ capabilities = ["deny"] }}')
    result = day.invoke()
    assert [(each.subject, each.error) for each in result.problems] == [("team/", "SourceDenied")]
    assert (result.counts["Updated"], result.counts["Deleted"]) == (1, 0)
    day.shows(1, "team/a", "team/b")
    _connect_with(day, "")
    day.recovers(2)


def test_a_token_that_expires_during_the_run_fails_the_remaining_changes(deleting: Day) -> None:
    day = deleting
    token = _connect_with(day, "")
    day.vault.rule = doing(reads_any, lambda: day.bench.vault.auth.token.revoke(token))
    result = day.invoke()
    assert result.errors == {"SourceDenied"}
    assert result.counts["Failed"] == len(PATHS)
    assert day.writes() == []
    day.shows(1)
    day.assert_reported(result)
    _connect_with(day, "")
    day.recovers()


def test_a_vault_that_takes_too_long_is_given_up(deleting: Day) -> None:
    day = deleting
    timeouts = replace(day.function.timeouts, read_seconds=0.2)
    day.function = replace(day.function, timeouts=timeouts)
    day.vault.rule = sometimes(reads("team/a"), Pass(delay=0.5))
    result = day.invoke()
    (problem,) = result.problems
    assert (problem.subject, problem.error) == ("team/a", "SourceUnavailable")
    assert "ReadTimeout" in problem.cause
    assert len([call for call in day.vault.calls() if reads("team/a")(call)]) == TIMEOUTS.attempts
    day.recovers(1)


def test_a_vault_that_is_not_running_is_reported(deleting: Day) -> None:
    day = deleting
    content = day.bench.aws.get_secret_value(SecretId=day.bench.config.connection_secret)["SecretString"]
    day.bench.connect({"method": "token", "token": "s.unused"}, address=f"https://127.0.0.1:{free_port()}")
    result = day.invoke()
    (problem,) = result.problems
    assert problem.error == "SourceUnavailable"
    assert "ConnectionError" in problem.cause
    day.assert_reported(result)
    day.bench.aws.put_secret_value(SecretId=day.bench.config.connection_secret, SecretString=content)
    day.recovers()


@pytest.mark.parametrize("wrong", ["another authority", "another host"])
def test_a_wrong_certificate_is_reported_with_its_remedy_and_no_token_is_sent(
    deleting: Day, openbao: Any, authority: Authority, tmp_path: Path, wrong: str
) -> None:
    day = deleting
    other = Authority(tmp_path / "other") if wrong == "another authority" else authority
    pair = other.issue(
        "impostor", ("localhost", "127.0.0.1") if other is not authority else ("other.example",)
    )
    impostor = Proxy(openbao.address, openbao.ca_file, pair)
    try:
        day.bench.connect({"method": "token", "token": openbao.root_token}, address=impostor.address)
        result = day.invoke()
        assert impostor.calls() == ()
    finally:
        impostor.close()
    (problem,) = result.problems
    assert problem.error == "SourceUnavailable"
    assert "certificate is not trusted" in problem.cause
    day.assert_reported(result)
    day.bench.connect({"method": "token", "token": openbao.root_token}, address=day.vault.address)
    day.recovers()


@pytest.mark.parametrize("content", ["canary: no JSON", "[]", '{"address": "ftp://canary"}', None])
def test_a_connection_secret_that_is_malformed_or_missing_is_reported(
    deleting: Day, content: str | None
) -> None:
    day = deleting
    name = day.bench.config.connection_secret
    before = day.bench.aws.get_secret_value(SecretId=name)["SecretString"]
    if content is None:
        day.bench.aws.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
    else:
        day.bench.aws.put_secret_value(SecretId=name, SecretString=content)
    result = day.invoke()
    assert {each.error for each in result.problems[:1]} == {"ConfigError" if content else "TargetMissing"}
    assert day.vault.calls() == ()
    (message,) = result.messages
    assert "is unhealthy" in message
    if content is None:
        day.bench.aws.create_secret(Name=name, SecretString=before)
    else:
        day.bench.aws.put_secret_value(SecretId=name, SecretString=before)
    # The state of health was a tag of the deleted secret.
    day.recovers(reported_before=content is not None)


def test_the_continuation_that_a_run_requests_completes_it(day: Day, bus: Mailbox) -> None:
    day.begin()
    bus.read()
    day.bench.write("odd")  # empty, so refused: the replication is unhealthy
    assert day.invoke("odd").messages
    result = day.invoke(context=day.short_after_a_write())
    assert result.failed is None or result.errors == {"ValueRefused"}
    assert 0 < result.counts["Updated"] < len(PATHS)
    assert result.messages == []  # a run that did not see everything says nothing about health
    asked = [each for each in bus.read() if each["detail-type"] == "Replication Requested"]
    assert [each["detail"] for each in asked] == [{"reason": "continuation"}]
    rest = day.handle(asked[0], Context())
    assert rest.counts["Updated"] + result.counts["Updated"] == len(PATHS)
    day.shows(2)


def test_a_run_without_any_time_fails_instead_of_requesting_continuations_for_ever(
    day: Day, bus: Mailbox
) -> None:
    day.begin()
    bus.read()
    result = day.invoke(context=Context(lambda: SHORT))
    assert [each.error for each in result.problems] == ["OutOfTime"]
    assert bus.read() == []
    day.assert_reported(result)
    day.recovers()


def _connect_with(day: Day, more: str) -> str:
    """Connect with a token that may read the mount, but for what *more* says, and return it."""
    mount = day.bench.mount
    rules = [f'path "{mount}/{kind}/*" {{ capabilities = ["read", "list"] }}' for kind in
             ("detailed-metadata", "metadata", "data")]  # fmt: skip
    day.bench.vault.sys.create_or_update_policy(mount, "\n".join([*rules, more]))
    token: str = day.bench.vault.auth.token.create(policies=[mount])["auth"]["client_token"]
    day.bench.connect({"method": "token", "token": token}, address=day.vault.address)
    return token
