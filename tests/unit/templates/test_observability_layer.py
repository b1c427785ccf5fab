"""Story of templates/observability_layer.py, templates/alarms.py, templates/metric_alarm.py and
templates/dashboard.py.

`templates.observability_layer`, `alarms` and `dashboard`: an alarm for each failure.
"""

import json
import re

import pytest

from templates.alarms import alarms, max_connections, schedule_period
from tests.unit.templates.renders import CONFIGURATIONS, deployment, resolve, resource, resources

EXPECTED = {
    "run-failed",
    "no-run",
    "name-conflicts",
    "replication-lag",
    "throttled",
    "dead-letters",
    "database-storage",
    "database-cpu",
    "database-connections",
    "database-replica-lag",
    "load-balancer-errors",
    "application-errors",
    "unhealthy-hosts",
    "certificate-expiry",
}


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_there_is_an_alarm_for_each_of_these(configuration: str) -> None:
    """And one for each NAT gateway."""
    settings = deployment(configuration)
    gateways = 1 if settings.network.nat == "single" else settings.network.availability_zones
    names = [alarm.name for alarm in alarms(settings)]
    assert set(names) == EXPECTED | {f"nat-ports-{number}" for number in range(1, gateways + 1)}
    assert len(names) == len(set(names))


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_every_alarm_notifies_the_topic_and_names_its_runbook(configuration: str) -> None:
    """When it starts and when it ends; the description links to its section of the runbook."""
    for layer, name, alarm in resources(configuration, "AWS::CloudWatch::Alarm"):
        topic = resolve(alarm["AlarmActions"], configuration, layer)
        assert topic == resolve(alarm["OKActions"], configuration, layer), name
        assert topic[0].endswith("-alerts"), name
        assert re.search(r"\. Runbook: docs/operations\.md#[a-z-]+$", alarm["AlarmDescription"]), name


def test_silence_is_an_alarm() -> None:
    """No run for two periods of the schedule: missing data counts as breaching."""
    alarm = resource("production", "observability", "NoRunAlarm")
    assert alarm["TreatMissingData"] == "breaching"
    assert (alarm["Period"], alarm["EvaluationPeriods"]) == (15 * 60, 2)
    assert alarm["Dimensions"] == [{"Name": "deployment", "Value": "beanvault"}]


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_cloudwatch_can_evaluate_every_alarm(configuration: str) -> None:
    """A day at most in sum, or a week where a period is an hour or longer; periods are whole minutes."""
    for _, name, alarm in resources(configuration, "AWS::CloudWatch::Alarm"):
        period = alarm["Period"] if "Period" in alarm else alarm["Metrics"][0]["Period"]
        assert period % 60 == 0, name
        assert period * alarm["EvaluationPeriods"] <= (604_800 if period >= 3600 else 86_400), name


@pytest.mark.parametrize(
    ("schedule", "seconds"),
    [
        ("rate(1 minute)", 60),
        ("rate(30 minutes)", 1800),
        ("rate(6 hours)", 6 * 3600),
        ("rate(1 day)", 86_400),
        ("cron(0/10 * * * ? *)", 600),
        ("cron(15 * * * ? *)", 3600),
        ("cron(0 0/6 * * ? *)", 6 * 3600),
        ("cron(0 3 * * ? *)", 86_400),
    ],
)
def test_the_period_of_a_schedule(schedule: str, seconds: int) -> None:
    """Rates exactly, cron expressions in their common forms."""
    assert schedule_period(schedule) == seconds


@pytest.mark.parametrize(
    ("instance_class", "connections"),
    [
        ("db.t4g.micro", 66),
        ("db.t2.micro", 66),
        ("db.t3.small", 150),
        ("db.t4g.medium", 307),
        ("db.m4.large", 648),
        ("db.m4.xlarge", 1320),
        ("db.r3.large", 1258),
        ("db.r3.xlarge", 2540),
    ],
)
def test_no_class_is_taken_to_allow_more_connections_than_it_does(
    instance_class: str, connections: int
) -> None:
    """The values that people read on their instances; the alarm's threshold has to be below them.

    https://serverfault.com/questions/862387/aws-rds-connection-limits
    """
    assert connections * 0.8 < max_connections(instance_class)
    assert max_connections(instance_class) * 4 // 5 < connections * 0.9


@pytest.mark.parametrize(
    ("instance_class", "connections"),
    [("db.m7g.large", 613), ("db.c6gd.large", 306), ("db.r7g.2xlarge", 4914), ("db.r7g.24xlarge", 16_000)],
)
def test_other_classes_follow_the_formula_less_a_tenth(instance_class: str, connections: int) -> None:
    """RDS divides the memory by 12,582,880, and allows 16,000 at most."""
    assert max_connections(instance_class) == connections


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_the_dashboard_shows_the_flow_from_left_to_right(configuration: str) -> None:
    """Four columns, Vault to database, none over another."""
    body = resource(configuration, "observability", "Dashboard")["DashboardBody"]
    widgets = json.loads(resolve(body, configuration, "observability"))["widgets"]
    titles = sorted((w["x"], w["properties"]["markdown"]) for w in widgets if w["type"] == "text")
    assert [re.search("[①②③④]", title).group() for _, title in titles] == ["①", "②", "③", "④"]  # type: ignore[union-attr]
    cells = [(w["x"], y) for w in widgets for y in range(w["y"], w["y"] + w["height"])]
    assert len(cells) == len(set(cells))
    assert all(w["x"] + w["width"] <= 24 for w in widgets)
