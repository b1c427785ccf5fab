"""`beanvault.deployment.volumes`: what a deployment says of a setting that it doesn't change."""

from __future__ import annotations

from dataclasses import dataclass, field

import boto3
import pytest
from botocore.stub import Stubber

from beanvault.aws import Aws
from beanvault.deployment.volumes import report_unencrypted_volumes
from beanvault.ui import NullUi


@dataclass(frozen=True, slots=True)
class _SteppingUi(NullUi):
    steps: list[str] = field(default_factory=list)

    def step(self, text: str) -> None:
        self.steps.append(text)


@pytest.mark.parametrize("encrypted", [True, False])
def test_unencrypted_volumes_are_reported_with_the_command(encrypted: bool) -> None:
    ui = _SteppingUi()
    client = boto3.session.Session("x", "x", region_name="eu-north-1").client("ec2")
    with Stubber(client) as stubber:
        stubber.add_response("get_ebs_encryption_by_default", {"EbsEncryptionByDefault": encrypted})
        session = boto3.session.Session("x", "x", region_name="eu-north-1")
        report_unencrypted_volumes(Aws(session, None, {"ec2": client}), ui)
    said = "".join(ui.steps)
    assert ("will not be encrypted" in said) is not encrypted
    assert ("aws ec2 enable-ebs-encryption-by-default --region eu-north-1" in said) is not encrypted


def test_a_caller_who_must_not_ask_can_still_deploy() -> None:
    ui = _SteppingUi()
    session = boto3.session.Session("x", "x", region_name="eu-north-1")
    client = session.client("ec2")
    with Stubber(client) as stubber:
        stubber.add_client_error("get_ebs_encryption_by_default", "UnauthorizedOperation")
        report_unencrypted_volumes(Aws(session, None, {"ec2": client}), ui)
    assert ui.steps == []
