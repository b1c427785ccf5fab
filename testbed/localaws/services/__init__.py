"""What moto lacks or gets wrong, one module per service; each function names the symptom it corrects.

The correction of a call to a service is in the module called as boto3 calls the service. Each has a test in
tests/integration/testbed/localaws (`test_corrections.py`, `test_services.py`).
"""

from __future__ import annotations

import threading

from ..settings import LocalAwsSettings
from . import (
    backup,
    ec2,
    ec2_deletions,
    ec2_transit_gateways,
    ec2_zones,
    elbv2,
    events,
    iam,
    logs,
    rds,
    rds_catalogue,
    route53,
    s3,
    secretsmanager,
    sts,
)

_stop = threading.Event()


def install(settings: LocalAwsSettings) -> None:
    """Correct moto's services in this process, and start firing schedules."""
    for service in (
        backup,
        ec2,
        ec2_deletions,
        ec2_transit_gateways,
        ec2_zones,
        elbv2,
        iam,
        logs,
        route53,
        s3,
        secretsmanager,
    ):
        service.install()
    rds_catalogue.install()
    rds.install(settings.database)
    sts.install(settings.home)
    events.install(settings.home, _stop)


def close() -> None:
    """Stop firing schedules."""
    _stop.set()
