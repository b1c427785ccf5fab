"""Story of replicator/target.py.

A secret whose replica regions AWS is still removing: https://github.com/rebuy-de/aws-nuke/issues/1127
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import boto3
import pytest
from botocore.stub import Stubber

from replicator.errors import TargetBusy, TargetDenied, TargetError
from replicator.model import Replica, TargetSecret
from replicator.target import REMOVAL_PAUSES, SecretsManagerTarget

ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:shop/db-000000"
SECRET = TargetSecret("shop/db", ARN, "v1", replicas=(Replica("eu-west-1", "InSync"),))


class Service:
    def __init__(self) -> None:
        client = boto3.client(
            "secretsmanager", "eu-central-1", aws_access_key_id="x", aws_secret_access_key="x"
        )
        self.stubber, self.pauses = Stubber(client), list[float]()
        self.target = SecretsManagerTarget(client, self.pauses.append)

    def refuse(self, code: str = "InvalidParameterException") -> None:
        self.stubber.add_client_error("delete_secret", code, "that still has replica regions [eu-west-1]")
        self.stubber.add_response("describe_secret", {"ARN": ARN, "Name": "shop/db"})

    def accept(self) -> None:
        self.stubber.add_response("delete_secret", {"ARN": ARN, "Name": "shop/db"})


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()
    with made.stubber:
        yield made
    made.stubber.assert_no_pending_responses()


def test_the_deletion_is_tried_again_after_pauses(service: Service) -> None:
    service.refuse()
    service.refuse()
    service.accept()
    service.target.delete(SECRET, 7)
    assert service.pauses == list(REMOVAL_PAUSES[:2])


def test_after_the_last_attempt_it_is_left_for_the_next_run(service: Service) -> None:
    for _ in range(len(REMOVAL_PAUSES) + 1):
        service.refuse()
    with pytest.raises(TargetBusy, match="replica regions are still being removed"):
        service.target.delete(SECRET, 7)


def test_another_refusal_is_not_repeated(service: Service) -> None:
    service.refuse("AccessDeniedException")
    with pytest.raises(TargetDenied):
        service.target.delete(SECRET, 7)
    assert service.pauses == []


def test_a_secret_that_had_no_replicas_is_not_waited_for(service: Service) -> None:
    service.refuse()
    with pytest.raises(TargetError) as refused:
        service.target.delete(replace(SECRET, replicas=()), 7)
    assert (type(refused.value), service.pauses) == (TargetError, [])
