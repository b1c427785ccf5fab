"""Story of beanvault/teardown/.

Each resource of two deployments, dev's and production's, fails to be deleted once; `destroy` is repeated
until nothing is left that isn't listed. In each round the resources fail that nothing depends on any more.
"""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from beanvault.cloudformation.stack import StackError, StackOutcome
from beanvault.cloudformation.stacks import Stacks
from beanvault.deployment.deploy import deploy
from beanvault.deployment.deployment_context import DeploymentContext
from beanvault.teardown import outside_stacks
from beanvault.teardown.deleted_stacks import left_by_deleted
from beanvault.teardown.destroy import destroy
from beanvault.teardown.retained import RetainedResource, retained
from beanvault.ui import NullUi
from templates.layers import LAYERS
from tests.integration.templates.test_life_of_a_deployment import STRICT, TRIAL, Account, _present, account

__all__ = ["account"]

RETAINING = ("Retain", "RetainExceptOnCreate")


def _resources(account: Account, stack: str) -> Iterator[Any]:
    pages = account.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=stack)
    for page in pages:
        yield from page["StackResourceSummaries"]


def _deleted_with(account: Account, stack: str) -> set[str]:
    """Return the logical ids of what a deletion of *stack* deletes."""
    template = Stacks(account.client("cloudformation"), NullUi()).template(stack)
    policies = {name: one.get("DeletionPolicy") for name, one in template["Resources"].items()}
    return {
        item["LogicalResourceId"]
        for item in _resources(account, stack)
        if policies[item["LogicalResourceId"]] not in RETAINING
    }


def _failing_to_be_deleted(account: Account, stack: str) -> set[str]:
    return {
        item["LogicalResourceId"]
        for item in _resources(account, stack)
        if item["ResourceStatus"] == "DELETE_FAILED"
    }


def _in_the_command(error: StackError) -> tuple[str, set[str]]:
    """Return the stack and the logical ids in the printed command."""
    (line,) = [line for line in error.remedy.splitlines() if "delete-stack" in line]
    words = shlex.split(line)
    return words[words.index("--stack-name") + 1], set(words[words.index("--retain-resources") + 1 :])


def _checked(account: Account, error: StackError) -> list[tuple[str, str]]:
    """Return what *error* says could not be deleted, once that is compared with CloudFormation."""
    stack, named = _in_the_command(error)
    assert named == _failing_to_be_deleted(account, stack)
    assert {cause.logical_id for cause in error.causes} <= named
    assert all("not now" in cause.reason for cause in error.causes)
    assert f"{stack} ended as DELETE_FAILED: {error.causes[0].logical_id} (" in str(error)
    return [(stack, one) for one in named]


def _listed(work: DeploymentContext) -> tuple[RetainedResource, ...]:
    """Return what a further `destroy` lists, of stacks that are all gone."""
    names = [work.deployment.stack_name(layer) for layer in LAYERS]
    outside = outside_stacks.find(work.aws, work.deployment)
    return retained(work.aws, left_by_deleted(work.aws, names), outside)


def test_both_are_deployed(account: Account) -> None:
    for name in (STRICT, TRIAL):
        results = deploy(account.work(account.deployment(name)))
        assert {result.outcome for result in results} == {StackOutcome.CREATED}


@pytest.mark.parametrize(("name", "stacks"), [(TRIAL, 9), (STRICT, 8)])
def test_each_deletion_fails_once_and_is_reported_and_repaired(
    account: Account, name: str, stacks: int
) -> None:
    work = account.work(account.deployment(name), accepts_loss=True)
    names = map(work.deployment.stack_name, LAYERS)
    described = Stacks(account.client("cloudformation"), NullUi()).describe
    expected = {
        (stack, logical_id)
        for stack in names
        if described(stack) is not None
        for logical_id in _deleted_with(account, stack)
    }
    assert len({stack for stack, _ in expected}) == stacks
    for stack, logical_id in expected:
        account.aws.fail_once(stack, logical_id, "delete", "not now")
    failed: Counter[tuple[str, str]] = Counter()
    while True:
        try:
            left = destroy(work).left
        except StackError as error:
            failed.update(_checked(account, error))
        else:
            break
    assert left == ()
    # Every fault happened, once. Where a bucket is among what failed, the same run tries again.
    reported = {(stack, one) for stack, one in expected if stack != work.deployment.stack_name("storage")}
    assert reported <= failed.keys() <= expected
    assert set(failed.values()) == {1}
    listed = _listed(work)
    assert all(each.delete_command and each.dollars is not None for each in listed)
    _check_left(account, name, listed)


def _check_left(account: Account, name: str, listed: tuple[RetainedResource, ...]) -> None:
    """Compare what is in the account with what is listed, by the last part of its name."""
    ids = {re.split(r"[:/]", each.id)[-1] for each in listed}
    ids |= {re.sub(r"-\w{6}$", "", one) for one in ids}  # an ARN ends with six characters of the secret's own
    left = {entry.partition(": ")[2] for entry in _present(account, name)}
    assert {entry for entry in left if re.split(r"[:/]", entry)[-1] not in ids} == set()
