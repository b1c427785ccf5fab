"""Story of templates/functions/ and bootstrap/handler.py.

Their answer to CloudFormation, which waits in vain for one that was lost: Lambda does not run them again.
"""

from __future__ import annotations

from typing import Any

import pytest

from bootstrap import handler as bootstrap
from templates.functions import harden_bucket, network_setup
from tests.unit.templates.custom_resource_client import Handler, ask


@pytest.mark.parametrize(
    ("handler", "properties", "status"),
    [
        (harden_bucket.handler, {"Bucket": "its other properties are missing"}, "FAILED"),
        (network_setup.handler, {"DefaultSecurityGroup": "sg-1"}, "SUCCESS"),
        (bootstrap.handler, {}, "SUCCESS"),
    ],
)
def test_an_answer_that_was_not_taken_is_sent_again(
    handler: Handler, properties: dict[str, Any], status: str
) -> None:
    """CloudFormation's address is in S3, which can be busy."""
    answer, raised = ask(handler, "Delete", properties, failures=1)
    assert (answer["Status"], raised is None) == (status, status == "SUCCESS")
