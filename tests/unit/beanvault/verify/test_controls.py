"""Conclusions of single checks, and remedies; `tests/integration/beanvault/verify` breaks each control."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re

import pytest

from beanvault.verify.account.function import SecretMetadata
from beanvault.verify.account.stacks import ResourceMissing
from beanvault.verify.checks import CONTROLS
from beanvault.verify.checks.network import public
from beanvault.verify.checks.replication import unused_days
from beanvault.verify.model import Observation
from beanvault.verify.vault_comparison import compared
from replicator.contract.summary import ChangeSummary, Count, Problem, ProblemKind, RunSummary, SkippedSource
from replicator.contract.tags import TAG_OWNER, TAG_SOURCE, ManagedTags, read_tags
from templates.layers import LAYERS

NOW = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)


def secret(name: str, owner: str = "shop", source: str | None = None) -> SecretMetadata:
    """Return a secret whose source tag was read from AWS as *source*."""
    written = {TAG_OWNER: owner, TAG_SOURCE: source or f"beanvault/{name}"}
    tags = read_tags([{"Key": key, "Value": value} for key, value in written.items()])
    return SecretMetadata(f"shop/{name}", "", tags, NOW, None)


def summary(
    *problems: Problem,
    changes: tuple[ChangeSummary, ...] = (),
    skipped: tuple[SkippedSource, ...] = (),
) -> RunSummary:
    counts = dict.fromkeys(Count, 0)
    return RunSummary(True, True, counts, 0, 0.0, changes, skipped, problems)


def states(found: list[Observation]) -> dict[str, str]:
    return {
        each.resource: "ok" if each.ok else "accepted" if each.accepted_by_config else "wrong"
        for each in found
    }


def compare(found: RunSummary, *secrets: SecretMetadata, retained: bool = False) -> dict[str, str]:
    return states(list(compared(found, secrets, "shop", retained=retained)))


def test_a_secret_that_a_run_would_leave_as_it_is_is_what_vault_holds() -> None:
    assert compare(summary(), secret("app")) == {"shop/app": "ok"}


def test_a_secret_that_a_run_would_change_is_not() -> None:
    change = ChangeSummary("update", "shop/app", "beanvault/app", "2", "the copy was edited")
    assert compare(summary(changes=(change,)), secret("app")) == {"shop/app": "wrong"}


def test_a_secret_of_another_owner_is_not_compared() -> None:
    untagged = dataclasses.replace(secret("by-hand"), tags=ManagedTags(None, None, None))
    assert compare(summary(), secret("app", owner="other"), untagged) == {}


def test_a_conflict_is_wrong_whoever_has_the_secret() -> None:
    conflict = Problem(ProblemKind.CONFLICT, "shop/app", "Conflict", "belongs to other")
    assert compare(summary(conflict), secret("app", owner="other")) == {"shop/app": "wrong"}


@pytest.mark.parametrize(("retained", "state"), [(False, "wrong"), (True, "accepted")])
def test_an_orphan_is_right_only_where_the_deployment_file_keeps_them(retained: bool, state: str) -> None:
    skip = SkippedSource("beanvault/gone", "the secret shop/gone is an orphan")
    found = compare(summary(skipped=(skip,)), secret("gone"), secret("app"), retained=retained)
    assert found == {"shop/gone": state, "shop/app": "ok"}


def test_what_lies_below_a_folder_that_cannot_be_read_is_not_told_to_be_current() -> None:
    problem = Problem(ProblemKind.SOURCE, "beanvault/team/", "SourceDenied", "no right to list")
    found = compare(summary(problem), secret("team/one"), secret("app"))
    assert found == {"beanvault/team/": "wrong", "shop/app": "ok"}


@pytest.mark.parametrize("source", ["kv/=FF", "kv/é", "kv/=41"])
def test_a_secret_whose_source_tag_was_edited_is_not_current(source: str) -> None:
    """A dry run can't compare it, and a person has to correct the tag."""
    assert compare(summary(), secret("app", source=source)) == {"shop/app": "wrong"}


def test_a_source_that_is_encoded_in_its_tag_is_compared_with_the_plain_one() -> None:
    skip = SkippedSource("beanvault/my app", "the secret shop/my=20app is an orphan")
    assert compare(summary(skipped=(skip,)), secret("a", source="beanvault/my=20app")) == {"shop/a": "wrong"}


def test_a_run_that_failed_says_nothing_of_any_secret() -> None:
    problem = Problem(ProblemKind.RUN, "", "SourceSealed", "sealed")
    with pytest.raises(ResourceMissing, match="sealed"):
        compare(summary(problem), secret("app"))


@pytest.mark.parametrize(
    ("cidr", "expected"),
    [
        ("0.0.0.0/0", True),
        ("0.0.0.0/1", True),
        ("128.0.0.0/1", True),
        ("8.8.8.8/32", True),
        ("8.8.8.8/16", True),
        ("10.0.0.0/7", True),
        ("::/0", True),
        ("2000::/3", True),
        ("10.0.0.0/8", False),
        ("192.168.7.0/24", False),
        ("127.0.0.1/32", False),
        ("fd00::/8", False),
    ],
)
def test_a_range_is_public_unless_all_of_it_is_private(cidr: str, expected: bool) -> None:
    assert public(cidr) is expected


def test_a_secret_is_unused_since_it_was_read_or_else_since_it_was_created() -> None:
    unread = dataclasses.replace(secret("app"), created=NOW - dt.timedelta(days=400))
    assert unused_days(unread, NOW) == 400
    assert unused_days(dataclasses.replace(unread, last_accessed=NOW - dt.timedelta(days=3)), NOW) == 3


CALL = re.compile(r"beanvault deploy (?:--[\w-]+ )?(\w+)")


def test_remedies_do_not_name_an_ordinary_deployment_that_would_not_fix_anything() -> None:
    """A change set compares templates: it doesn't restore what was changed manually."""
    plain = [
        each for each in CONTROLS if "beanvault deploy" in each.remedy.replace("deploy --revert-drift", "")
    ]
    # The command itself renews a trial's certificate, and another platform or engine version is
    # another template, and deploying the environment checks its rules.
    assert {each.id for each in plain} == {"ACM.1", "BV.DATA2", "BV.EDGE3", "SEC06-BP01"}
    layers = {layer for each in CONTROLS for layer in CALL.findall(each.remedy)}
    assert layers <= set(LAYERS)


def test_each_control_has_a_remedy() -> None:
    assert [each.id for each in CONTROLS if len(each.remedy.split()) < 2] == []
