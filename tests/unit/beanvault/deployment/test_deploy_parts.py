"""Pure parts of deploying: layers, imports, causes of failure, certificate, the file that init writes."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
import troposphere
from cryptography import x509

from beanvault.cloudformation.stack import first_failures
from beanvault.commands.init import answers, write
from beanvault.deployment import certificates
from beanvault.deployment.deploy import PARAMETERS, select
from beanvault.deployment.deployment_plan import imports
from beanvault.errors import ConfigurationError
from beanvault.polling import PollingClock, attempts
from beanvault.ui import StackEvent
from templates.deployment_file import read
from templates.layers import LAYERS
from tests.project import ROOT

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def test_layers_come_in_the_order_of_deployment_however_they_are_named() -> None:
    assert select(()) == tuple(LAYERS)
    first, second, *_ = LAYERS
    assert select((second, first)) == (first, second)
    with pytest.raises(ConfigurationError, match="no layer walls"):
        select(("walls",))


@pytest.mark.parametrize("file", ["dev.toml", "production.toml"])
def test_every_parameter_of_every_layer_is_filled(file: str) -> None:
    deployment = read(ROOT / "config" / file)
    asked = {name for build in LAYERS.values() for name in build(deployment).parameters}
    assert {"FunctionCodeBucket", "FunctionCodeKey"} <= asked
    assert asked <= PARAMETERS.keys()


def test_imports_are_found_at_any_depth() -> None:
    template = troposphere.Template()
    template.add_output(
        troposphere.Output(
            "Both",
            Value=troposphere.Join(
                ",", [troposphere.ImportValue("there"), troposphere.ImportValue("missing")]
            ),
        )
    )
    assert imports(template.to_dict()) == {"there", "missing"}


def event(logical_id: str, status: str, reason: str = "", kind: str = "AWS::SQS::Queue") -> StackEvent:
    return StackEvent(f"{logical_id}-{status}", NOW, logical_id, kind, status, reason)


def test_the_causes_are_the_failures_that_nothing_else_caused() -> None:
    events = [
        event("Queue", "CREATE_IN_PROGRESS"),
        event("Topic", "CREATE_FAILED", "access denied"),
        event("Queue", "CREATE_FAILED", "Resource creation cancelled"),
        event("stack", "ROLLBACK_IN_PROGRESS", "…", "AWS::CloudFormation::Stack"),
        event("stack", "ROLLBACK_FAILED", "…", "AWS::CloudFormation::Stack"),
    ]
    assert [cause.logical_id for cause in first_failures(events)] == ["Topic"]
    assert [cause.logical_id for cause in first_failures(events[-1:])] == ["stack"]


def test_the_certificate_is_for_its_host_and_for_servers_only() -> None:
    pem, key = certificates.make("app.example.com", NOW)
    certificate = x509.load_pem_x509_certificate(pem)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["app.example.com"]
    assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    assert certificate.not_valid_after_utc - NOW == certificates.LIFETIME
    assert b"PRIVATE KEY" in key


@pytest.mark.parametrize("production", [False, True])
def test_what_init_writes_is_read_back_as_what_was_answered(tmp_path: Path, production: bool) -> None:
    file = answers(
        name="shop",
        region="eu-central-1",
        domain="app.example.com",
        hosted_zone_id="Z0123456789ABC",
        certificate_arn=None,
        vault_cidrs=("198.51.100.7/32",),
        vault_port=8200,
        emails=("ops@example.com",),
        production=production,
    )
    path = tmp_path / "shop.toml"
    write(path, file)
    deployment = read(path)
    assert (deployment.name, deployment.production) == ("shop", production)
    assert deployment.domain.name == "app.example.com"
    assert deployment.database.multi_az is production
    assert deployment.alerts.emails == ("ops@example.com",)


def test_waiting_looks_once_more_after_the_time_is_over_and_pauses_longer_and_longer() -> None:
    passed, pauses = [0.0], []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        passed[0] += seconds

    looked = list(attempts(PollingClock(lambda: passed[0], sleep), seconds=10, first=0.2, longest=3))
    assert looked[0] == 0
    assert looked[-1] >= 10
    assert looked[-2] < 10
    assert pauses[0] < 0.3
    assert max(pauses) <= 3 * 1.2
