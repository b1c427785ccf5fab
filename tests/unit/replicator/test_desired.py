"""What custom metadata asks for: names, keys, formats and tags, in complete runs."""

from __future__ import annotations

import pytest

from replicator.contract.summary import Count
from tests.unit.replicator.conftest import Deployment, assert_settled, failed, made, reasons


def test_a_path_with_replicate_false_is_not_replicated(deployment: Deployment) -> None:
    deployment.source.write("db", {"password": "canary"}, replicate="false")
    report = deployment.run()
    assert (report.healthy, report.counts()[Count.SKIPPED]) == (True, 1)
    assert deployment.values() == {}


def test_a_value_that_is_refused_leaves_the_secret_as_it_was(deployment: Deployment) -> None:
    deployment.set(adopt=frozenset({"shop/db"}), deletion_days=7, max_delete_share=1.0)
    theirs = deployment.target.place("shop/db", "theirs", team="payments")
    deployment.source.write("db", {})
    deployment.source.write("back", {"password": "canary"})
    deployment.run()
    assert (theirs.value, theirs.tags, theirs.kms_key) == ("theirs", {"team": "payments"}, None)
    deployment.source.delete("back")
    deployment.run()
    deployment.source.write("back", {})
    assert failed(deployment.run()) == {"shop/db": "ValueRefused", "shop/back": "ValueRefused"}
    assert deployment.target.secrets["shop/back"].pending_deletion


def test_one_refused_secret_does_not_stop_the_others(deployment: Deployment) -> None:
    deployment.source.write("empty", {})
    deployment.source.write("large", {"blob": "x" * 70_000})
    deployment.source.write("db", {"password": "canary"})
    report = deployment.run()
    assert failed(report) == {"shop/empty": "ValueRefused", "shop/large": "ValueRefused"}
    assert "70011 bytes" in reasons(report)
    assert report.counts()[Count.CREATED] == 1
    assert list(deployment.values()) == ["shop/db"]


def test_an_empty_value_never_replaces_a_secret(deployment: Deployment) -> None:
    deployment.source.write("db", {"password": "canary"})
    deployment.run()
    deployment.source.write("db", {})
    assert failed(deployment.run()) == {"shop/db": "ValueRefused"}
    assert deployment.values() == {"shop/db": '{"password":"canary"}'}


@pytest.mark.parametrize(
    ("choices", "reason"),
    [
        ({"aws_name": "../x y"}, "aws-name takes"),
        ({"aws_name": "/absolute"}, "does not begin with /"),
        ({"aws_name": ""}, "aws-name takes"),
        ({"aws_name": "x" * 600}, "605 characters long"),
        ({"aws_kms_key": "alias/theirs"}, "not among the keys"),
        ({"aws_format": "yaml"}, "not a format"),
        ({"aws-tag-beanvault:owner": "me"}, "reserved"),
        ({"aws-tag-aws:cloudformation:stack-name": "x"}, "reserved"),
        ({"aws-tag-": "x"}, "not a tag key"),
        ({"aws-tag-a b": "x"}, "contains a space"),
        ({"aws-tag-team": "line\nline"}, "not one that AWS accepts"),
        ({"aws-tag-team": "x" * 257}, "not one that AWS accepts"),
        ({f"aws-tag-{'k' * 100}{number}": "x" for number in range(3)}, "too many"),
    ],
)
def test_a_choice_that_cannot_be_followed_is_refused_with_a_reason_and_deletes_nothing(
    deployment: Deployment, choices: dict[str, str], reason: str
) -> None:
    deployment.set(deletion_days=7, max_delete_share=1.0)
    deployment.source.write("db", {"password": "canary"})
    deployment.run()
    deployment.source.choose("db", **choices)
    report = deployment.run()
    assert reason in reasons(report)
    assert report.counts()[Count.FAILED] == 1
    assert deployment.values() == {"shop/db": '{"password":"canary"}'}


def test_a_path_too_long_for_a_tag_is_refused_with_its_length(deployment: Deployment) -> None:
    deployment.source.write("a" * 300, {"password": "canary"})
    assert "303 characters" in reasons(deployment.run())


def test_a_path_that_secrets_manager_cannot_name_is_encoded(deployment: Deployment) -> None:
    deployment.source.write("my app/é", {"password": "canary"})
    deployment.run()
    assert list(deployment.values()) == ["shop/my=20app/=C3=A9"]
    assert deployment.target.secrets["shop/my=20app/=C3=A9"].tags["beanvault:source"] == "kv/my=20app/=C3=A9"
    assert_settled(deployment)


def test_tags_are_added_changed_and_removed_and_others_are_not_touched(deployment: Deployment) -> None:
    deployment.source.write("db", {"password": "canary"}, **{"aws-tag-team": "blue", "aws-tag-cost": "1"})
    deployment.run()
    stored = deployment.target.secrets["shop/db"]
    stored.tags["auditor"] = "theirs"
    assert (stored.tags["team"], stored.tags["cost"]) == ("blue", "1")
    deployment.source.choose("db", **{"aws-tag-team": "red"})
    deployment.source.fetched.clear()
    assert made(deployment.run()) == {"shop/db": "Retag"}
    assert deployment.source.fetched == []
    assert (stored.tags["team"], "cost" in stored.tags, stored.tags["auditor"]) == ("red", False, "theirs")
    assert_settled(deployment)
    deployment.source.choose("db")
    deployment.run()
    assert ("team" in stored.tags, "beanvault:tags" in stored.tags) == (False, False)
    assert_settled(deployment)


def test_a_tag_key_with_white_space_in_it_is_one_key(deployment: Deployment) -> None:
    deployment.source.write("db", {"password": "canary"}, **{"aws-tag-cost\u00a0centre": "1"})
    deployment.run()
    stored = deployment.target.secrets["shop/db"]
    stored.tags["centre"] = "theirs"
    deployment.source.choose("db", **{"aws-tag-team": "red"})
    deployment.run()
    assert (stored.tags["centre"], "cost\u00a0centre" in stored.tags) == ("theirs", False)
    assert_settled(deployment)


def test_an_allowed_kms_key_is_used_from_then_on(deployment: Deployment) -> None:
    deployment.source.write("db", {"password": "canary"})
    deployment.run()
    deployment.source.choose("db", aws_kms_key="alias/team")
    assert made(deployment.run()) == {"shop/db": "Retag"}
    assert deployment.target.secrets["shop/db"].kms_key == "alias/team"
    assert_settled(deployment)
    deployment.set(kms_key=None, kms_keys_allowed=frozenset())
    deployment.source.choose("db")
    deployment.run()
    assert [secret.kms_key for secret in deployment.target.secrets.values()] == [None]
    assert_settled(deployment)


def test_another_format_is_another_version(deployment: Deployment) -> None:
    deployment.source.write("db", {"password": "canary"})
    deployment.run()
    deployment.source.choose("db", aws_format="plain")
    assert made(deployment.run()) == {"shop/db": "Update"}
    assert deployment.values() == {"shop/db": "canary"}
    assert_settled(deployment)
