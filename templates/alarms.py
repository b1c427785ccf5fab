"""All alarms of a deployment, by area: replication, database, edge, network.

Each names the section of `docs/operations.md` that is its runbook.
"""

import re

from troposphere import Ref, Sub

from templates import edge_layer, network_layer
from templates.deployment import Deployment
from templates.deployment_sections import ExistingCertificate, IssuedCertificate
from templates.metric_alarm import MetricAlarm
from templates.policies import Arn
from templates.triggers import dead_letter_queue_name

METRICS = "beanvault"
"""The namespace of the function's own metrics; their one dimension is `deployment`."""

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
# CloudWatch evaluates a week at most.
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
_LONGEST_PERIOD = 7 * _DAY // 2


def alarms(deployment: Deployment) -> list[MetricAlarm]:
    """Return all alarms of a deployment."""
    return [*_replication(deployment), *_database(deployment), *_edge(deployment), *_network(deployment)]


def schedule_period(schedule: str) -> int:
    """Return the seconds between two runs of a schedule expression.

    Exact for rates. A cron expression is read for the common cases (every n minutes or hours, hourly); all
    others count as daily.
    """
    if rate := re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", schedule):
        return int(rate[1]) * {"minute": _MINUTE, "hour": _HOUR, "day": _DAY}[rate[2]]
    minutes, hours = schedule.removeprefix("cron(").split()[:2]
    if hours == "*":
        step = re.fullmatch(r"[\d*]+/(\d+)", minutes)
        return int(step[1]) * _MINUTE if step else _HOUR
    step = re.fullmatch(r"[\d*]+/(\d+)", hours)
    return int(step[1]) * _HOUR if step else _DAY


def _replication(deployment: Deployment) -> list[MetricAlarm]:
    own = {"deployment": deployment.name}
    function = {"FunctionName": deployment.function_name}
    period = min(schedule_period(deployment.replicator.schedule), _LONGEST_PERIOD)
    return [
        MetricAlarm(
            name="run-failed",
            summary="A run of the replicator failed: at least one secret is not current.",
            runbook="a-run-failed",
            namespace="AWS/Lambda",
            metric="Errors",
            dimensions=function,
            statistic="Sum",
            threshold=1,
        ),
        MetricAlarm(
            name="no-run",
            summary="The replicator has not run for two periods of its schedule.",
            runbook="no-run",
            namespace=METRICS,
            metric="Runs",
            dimensions=own,
            statistic="Sum",
            threshold=1,
            below=True,
            period=period,
            periods=2,
            missing="breaching",
        ),
        MetricAlarm(
            name="name-conflicts",
            summary="A name below the prefix belongs to a secret of another owner, which was left untouched.",
            runbook="conflicts",
            namespace=METRICS,
            metric="Conflicts",
            dimensions=own,
            statistic="Maximum",
            threshold=1,
            period=period,
        ),
        MetricAlarm(
            name="replication-lag",
            summary=f"A write in Vault took {deployment.alerts.lag_minutes} minutes or more to replicate.",
            runbook="lag",
            namespace=METRICS,
            metric="LagSeconds",
            dimensions=own,
            statistic="Maximum",
            threshold=deployment.alerts.lag_minutes * _MINUTE,
        ),
        MetricAlarm(
            name="throttled",
            # One run at a time implies some throttling, which Lambda retries.
            summary="The replicator is invoked far more often than it can run.",
            runbook="throttled",
            namespace="AWS/Lambda",
            metric="Throttles",
            dimensions=function,
            statistic="Sum",
            threshold=20,
            period=15 * _MINUTE,
            periods=2,
        ),
        MetricAlarm(
            name="dead-letters",
            summary="Replication requests failed and are in the dead-letter queue.",
            runbook="dead-letters",
            namespace="AWS/SQS",
            metric="ApproximateNumberOfMessagesVisible",
            dimensions={"QueueName": dead_letter_queue_name(deployment)},
            statistic="Maximum",
            threshold=1,
        ),
    ]


# `SHOW VARIABLES LIKE 'max_connections'` on instances of RDS for MySQL; noted on 2026-12-01 from
# https://serverfault.com/questions/862387/aws-rds-connection-limits (t2; a t3.medium was reported with 307).
_REPORTED_CONNECTIONS = {"micro": 66, "small": 150, "medium": 312, "large": 648}
_MOST_CONNECTIONS = 16_000


def max_connections(instance_class: str) -> int:
    """Return a number of connections that MySQL on an instance class allows at least, by default.

    RDS divides the class's memory in bytes by 12,582,880, and limits the result to 16,000. That memory
    excludes what RDS and the operating system use, which is most noticeable in small classes. Where no value
    was reported, a tenth is taken off.
    https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Limits.html
    """
    _, family, size = instance_class.split(".")
    if family.startswith("t") and size in _REPORTED_CONNECTIONS:
        return _REPORTED_CONNECTIONS[size]
    gib = {"micro": 1, "small": 2, "medium": 4, "large": 8, "xlarge": 16}.get(size)
    if gib is None:
        times = re.match(r"\d+", size)
        gib = 16 * int(times[0]) if times else 1
    if family.startswith(("r", "x")):
        gib *= 2
    elif family.startswith("c"):
        gib //= 2
    return min(gib * 2**30 // 12_582_880 * 9 // 10, _MOST_CONNECTIONS)


def _database(deployment: Deployment) -> list[MetricAlarm]:
    settings = deployment.database
    instance = {"DBInstanceIdentifier": deployment.database_identifier}

    def on(metric: str, name: str, summary: str, **metric_options: object) -> MetricAlarm:
        return MetricAlarm(
            name=f"database-{name}",
            summary=summary,
            runbook=f"database-{name}",
            namespace="AWS/RDS",
            metric=metric,
            dimensions=instance,
            **metric_options,  # type: ignore[arg-type]  # each call below passes fields of MetricAlarm
        )

    return [
        on(
            "FreeStorageSpace",
            "storage",
            "Less than 15 % of the database's storage is free.",
            statistic="Minimum",
            threshold=settings.storage_gb * 2**30 * 15 // 100,
            below=True,
        ),
        on(
            "CPUUtilization",
            "cpu",
            "The database's CPU has been over 80 % for a quarter of an hour.",
            statistic="Average",
            threshold=80,
            periods=3,
        ),
        on(
            "DatabaseConnections",
            "connections",
            "Four fifths of the connections that the database allows are in use.",
            statistic="Maximum",
            threshold=max_connections(settings.instance_class) * 4 // 5,
        ),
        on(
            "ReplicaLag",
            "replica-lag",
            "The database is a read replica and lags its source by a minute or more.",
            statistic="Maximum",
            threshold=60,
            periods=3,
        ),
    ]


def _edge(deployment: Deployment) -> list[MetricAlarm]:
    balancer = edge_layer.LOAD_BALANCER_FULL_NAME.imported(deployment)
    unhealthy = Sub(
        'SELECT MAX(UnHealthyHostCount) FROM SCHEMA("AWS/ApplicationELB", LoadBalancer, TargetGroup) '
        "WHERE LoadBalancer = '${LoadBalancer}'",
        LoadBalancer=balancer,
    )
    counted = {
        "load-balancer-errors": (
            "HTTPCode_ELB_5XX_Count",
            "The load balancer responded with 5xx errors.",
        ),
        "application-errors": (
            "HTTPCode_Target_5XX_Count",
            "The application responded with 5xx errors.",
        ),
    }
    return [
        *(
            MetricAlarm(
                name=name,
                summary=summary,
                runbook=name,
                namespace="AWS/ApplicationELB",
                metric=metric,
                dimensions={"LoadBalancer": balancer},
                statistic="Sum",
                threshold=10,
            )
            for name, (metric, summary) in counted.items()
        ),
        MetricAlarm(
            name="unhealthy-hosts",
            summary="An instance fails the load balancer's health checks.",
            runbook="unhealthy-hosts",
            namespace="AWS/ApplicationELB",
            metric="UnHealthyHostCount",
            dimensions={},
            statistic="Maximum",
            threshold=1,
            periods=2,
            query=unhealthy,  # Beanstalk creates the target group, so its name isn't known here
        ),
        MetricAlarm(
            name="certificate-expiry",
            summary="The certificate expires within 30 days: its renewal has failed.",
            runbook="certificate-expiry",
            namespace="AWS/CertificateManager",
            metric="DaysToExpiry",
            dimensions={"CertificateArn": _certificate(deployment)},
            statistic="Minimum",
            threshold=30,
            below=True,
            period=_DAY,
        ),
    ]


def _certificate(deployment: Deployment) -> Arn:
    match deployment.domain:
        case IssuedCertificate():
            return edge_layer.ISSUED_CERTIFICATE_ARN.imported(deployment)
        case ExistingCertificate(certificate_arn=arn):
            return arn
        case _:
            return Ref("CertificateArn")


def _network(deployment: Deployment) -> list[MetricAlarm]:
    settings = deployment.network
    gateways = 1 if settings.nat == "single" else settings.availability_zones
    return [
        MetricAlarm(
            name=f"nat-ports-{number + 1}",
            summary=f"NAT gateway {number + 1} had no free port left for a connection.",
            runbook="nat-ports",
            namespace="AWS/NATGateway",
            metric="ErrorPortAllocation",
            dimensions={"NatGatewayId": network_layer.NAT_GATEWAYS.of(number).imported(deployment)},
            statistic="Sum",
            threshold=1,
        )
        for number in range(gateways)
    ]
