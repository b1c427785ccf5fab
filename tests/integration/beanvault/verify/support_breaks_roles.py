"""Breaks of roles."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from .support_breaks import Site, Table, policy

BREAKS = Table()


def _role(site: Site) -> str:
    return site.physical_id("environment", "InstanceRole")


def _inline(statement: Mapping[str, Any], site: Site) -> Iterator[None]:
    iam, role = site.client("iam"), _role(site)
    iam.put_role_policy(RoleName=role, PolicyName="quick", PolicyDocument=policy(statement))
    yield
    iam.delete_role_policy(RoleName=role, PolicyName="quick")


def _allow(**elements: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Resource": "*", **elements}


_ONE_SECRET = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:other-??????"
for _name, _red, _statement in (
    ("an_inline_policy", "", _allow(Action="s3:ListAllMyBuckets")),
    ("everything", "IAM.1 IAM.21 KMS.1", _allow(Action="*")),
    ("all_but_iam", "IAM.1 IAM.21 KMS.1", _allow(NotAction="iam:*")),
    ("a_service", "IAM.21", _allow(Action=["s3:*"], Resource="arn:aws:s3:::some/*")),
    ("decryption_with_every_key", "KMS.1", _allow(Action="kms:Decrypt")),
    ("decryption_by_any_id", "KMS.1", _allow(Action="kms:De*", Resource="arn:aws:kms:*:*:key/*")),
):
    BREAKS.add(f"SEC03-BP02 {_red}", partial(_inline, _statement), f"a_role_is_allowed_{_name}")


@BREAKS.breaks("SEC03-BP02", "KMS.1")
def _a_role_decrypts_with_all_keys_but_one(site: Site) -> Iterator[None]:
    key = site.physical_id("keys", "DataKey")
    statement = {"Effect": "Allow", "Action": "kms:Decrypt", "NotResource": f"arn:aws:kms:*:*:key/{key}"}
    yield from _inline(statement, site)


def _attached(name: str, site: Site) -> Iterator[None]:
    iam = site.client("iam")
    arguments = {"RoleName": _role(site), "PolicyArn": f"arn:aws:iam::aws:policy/{name}"}
    iam.attach_role_policy(**arguments)
    yield
    iam.detach_role_policy(**arguments)


for _name, _red in (
    ("AdministratorAccess", "IAM.1 IAM.21 KMS.1"),
    ("IAMFullAccess", "IAM.21"),
    ("SecretsManagerReadWrite", "IAM.21"),
    ("AmazonS3ReadOnlyAccess", ""),
):
    BREAKS.add(f"SEC03-BP02 {_red}", partial(_attached, _name), f"{_name}_is_attached")


def _detached(layer: str, role: str, site: Site) -> Iterator[None]:
    iam = site.client("iam")
    arguments = {
        "RoleName": site.physical_id(layer, role),
        "PolicyArn": site.physical_id(layer, f"{role}Deny"),
    }
    iam.detach_role_policy(**arguments)
    yield
    iam.attach_role_policy(**arguments)


BREAKS.add(
    "SEC03-BP02 BV.ROLE2 BV.ROLE3",
    partial(_detached, "replicator", "FunctionRole"),
    "a_writer_without_denials",
)
BREAKS.add(
    "SEC03-BP02 BV.ROLE4",
    partial(_detached, "environment", "InstanceRole"),
    "a_reader_without_denials",
)


def _rewritten(
    layer: str, role: str, sid: str, change: Callable[[dict[str, Any]], Mapping[str, Any]], site: Site
) -> Iterator[None]:
    """Make another version of a policy the default, in which one statement is another."""
    iam, arn = site.client("iam"), site.physical_id(layer, f"{role}Deny")
    before = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    document = iam.get_policy_version(PolicyArn=arn, VersionId=before)["PolicyVersion"]["Document"]
    found = [change(dict(each)) if each["Sid"] == sid else each for each in document["Statement"]]
    assert found != document["Statement"]
    made = iam.create_policy_version(PolicyArn=arn, PolicyDocument=policy(*found), SetAsDefault=True)
    yield
    iam.set_default_policy_version(PolicyArn=arn, VersionId=before)
    iam.delete_policy_version(PolicyArn=arn, VersionId=made["PolicyVersion"]["VersionId"])


def _but_another(statement: dict[str, Any]) -> dict[str, Any]:
    return {**statement, "NotResource": [*statement["NotResource"], _ONE_SECRET]}


def _under_a_condition(statement: dict[str, Any]) -> dict[str, Any]:
    return {**statement, "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "false"}}}


for _control, _layer, _of, _sid in (
    ("BV.ROLE2", "replicator", "FunctionRole", "DenyReadingOtherSecrets"),
    ("BV.ROLE3", "replicator", "FunctionRole", "DenyWritingOtherSecrets"),
    ("BV.ROLE4", "environment", "InstanceRole", "DenyReadingOtherSecrets"),
):
    for _change in (_but_another, _under_a_condition):
        BREAKS.add(
            _control,
            partial(_rewritten, _layer, _of, _sid, _change),
            f"{_sid}{_change.__name__}",
        )


@BREAKS.breaks("BV.ROLE1")
def _any_account_can_assume_a_role(site: Site) -> Iterator[None]:
    iam, role = site.client("iam"), _role(site)
    before = iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
    trust = policy({"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"})
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=trust)
    yield
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=json.dumps(before))
