"""The observability layer: alarms on what the other layers do, and one dashboard along the flow.

Every alarm says what happened and where the runbook tells what to do: a section of `docs/operations.md`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from troposphere import Ref, Sub, Template
from troposphere.cloudwatch import Alarm as AlarmResource
from troposphere.cloudwatch import Dashboard, MetricDataQuery, MetricDimension

from templates import dashboard, edge, keys, network
from templates.deployment import Deployment, ExistingCertificate, IssuedCertificate, SelfSignedCertificate
from templates.policies import Arn
from templates.shared import new_template
from templates.triggers import dead_letter_queue_name

LAYER = "observability"
METRICS = "beanvault"
"""The namespace of the function's own metrics; their one dimension is `deployment`."""

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
# CloudWatch evaluates a week at most.
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
_LONGEST_PERIOD = 7 * _DAY // 2


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm: what went wrong in words, the section of the runbook, and the measure that shows it."""

    name: str
    says: str
    runbook: str
    namespace: str
    metric: str
    dimensions: Mapping[str, Arn]
    statistic: Literal["Sum", "Average", "Maximum", "Minimum"]
    threshold: float
    period: int = 5 * _MINUTE
    periods: int = 1
    below: bool = False
    missing: Literal["breaching", "notBreaching", "ignore"] = "notBreaching"
    query: Arn | None = field(default=None)
    """A Metrics Insights query instead of a single metric, where the dimensions aren't known before."""

    def resource(self, deployment: Deployment) -> AlarmResource:
        """Return the alarm, which tells the deployment's topic when it starts and when it is over."""
        topic = keys.TOPIC_ARN.imported(deployment)
        comparison = "LessThanThreshold" if self.below else "GreaterThanOrEqualToThreshold"
        return AlarmResource(
            "".join(word.capitalize() for word in self.name.split("-")),
            AlarmName=f"{deployment.name}-{self.name}",
            AlarmDescription=f"{self.says} Runbook: docs/operations.md#{self.runbook}",
            ComparisonOperator=comparison,
            Threshold=self.threshold,
            EvaluationPeriods=self.periods,
            TreatMissingData=self.missing,
            ActionsEnabled=True,
            AlarmActions=[topic],
            OKActions=[topic],
            **self._measure(),
        )

    def _measure(self) -> dict[str, object]:
        if self.query is not None:
            return {
                "Metrics": [
                    MetricDataQuery(Id="q", Expression=self.query, Period=self.period, ReturnData=True)
                ]
            }
        return {
            "Namespace": self.namespace,
            "MetricName": self.metric,
            "Dimensions": [
                MetricDimension(Name=name, Value=value) for name, value in self.dimensions.items()
            ],
            "Statistic": self.statistic,
            "Period": self.period,
        }


def build(deployment: Deployment) -> Template:
    """Return the template of the observability layer."""
    template = new_template(deployment, LAYER, "alarms and the dashboard")
    if isinstance(deployment.domain, SelfSignedCertificate):
        edge.add_certificate_parameter(template)
    for alarm in alarms(deployment):
        template.add_resource(alarm.resource(deployment))
    template.add_resource(
        Dashboard(
            "Dashboard",
            DashboardName=deployment.name,
            DashboardBody=dashboard.body(deployment),
        )
    )
    return template


def alarms(deployment: Deployment) -> list[Alarm]:
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


def _replication(deployment: Deployment) -> list[Alarm]:
    own = {"deployment": deployment.name}
    function = {"FunctionName": deployment.function_name}
    period = min(schedule_period(deployment.replicator.schedule), _LONGEST_PERIOD)
    return [
        Alarm(
            name="run-failed",
            says="A run of the replicator failed: at least one secret is not current.",
            runbook="a-run-failed",
            namespace="AWS/Lambda",
            metric="Errors",
            dimensions=function,
            statistic="Sum",
            threshold=1,
        ),
        Alarm(
            name="no-run",
            says="The replicator has not run for two periods of its schedule.",
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
        Alarm(
            name="conflicts",
            says="A name below the prefix belongs to somebody else's secret and was left untouched.",
            runbook="conflicts",
            namespace=METRICS,
            metric="Conflicts",
            dimensions=own,
            statistic="Maximum",
            threshold=1,
            period=period,
        ),
        Alarm(
            name="lag",
            says=f"A write in Vault took {deployment.alerts.lag_minutes} minutes or more to arrive.",
            runbook="lag",
            namespace=METRICS,
            metric="LagSeconds",
            dimensions=own,
            statistic="Maximum",
            threshold=deployment.alerts.lag_minutes * _MINUTE,
        ),
        Alarm(
            name="throttled",
            # Some throttling is the price of one run at a time: Lambda tries again by itself.
            says="The replicator was asked to run far more often than it can.",
            runbook="throttled",
            namespace="AWS/Lambda",
            metric="Throttles",
            dimensions=function,
            statistic="Sum",
            threshold=20,
            period=15 * _MINUTE,
            periods=2,
        ),
        Alarm(
            name="dead-letters",
            says="Requests to replicate were given up and lie in the dead-letter queue.",
            runbook="dead-letters",
            namespace="AWS/SQS",
            metric="ApproximateNumberOfMessagesVisible",
            dimensions={"QueueName": dead_letter_queue_name(deployment)},
            statistic="Maximum",
            threshold=1,
        ),
    ]


def max_connections(instance_class: str) -> int:
    """Return MySQL's default `max_connections` of an instance class.

    RDS sets it to the memory in bytes divided by 12,582,880:
    https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Limits.html
    """
    _, family, size = instance_class.split(".")
    gib = {"micro": 1, "small": 2, "medium": 4, "large": 8, "xlarge": 16}.get(size)
    if gib is None:
        times = re.match(r"\d+", size)
        gib = 16 * int(times[0]) if times else 1
    if family.startswith(("r", "x")):
        gib *= 2
    return gib * 2**30 // 12_582_880


def _database(deployment: Deployment) -> list[Alarm]:
    settings = deployment.database
    instance = {"DBInstanceIdentifier": deployment.database_identifier}

    def on(metric: str, name: str, says: str, **measure: object) -> Alarm:
        return Alarm(
            name=f"database-{name}",
            says=says,
            runbook=f"database-{name}",
            namespace="AWS/RDS",
            metric=metric,
            dimensions=instance,
            **measure,  # type: ignore[arg-type]  # each call below passes what Alarm takes
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
            "The database's processor is busy for a quarter of an hour.",
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
            "The database is a replica and behind its source by a minute or more.",
            statistic="Maximum",
            threshold=60,
            periods=3,
        ),
    ]


def _edge(deployment: Deployment) -> list[Alarm]:
    balancer = edge.LOAD_BALANCER_FULL_NAME.imported(deployment)
    unhealthy = Sub(
        'SELECT MAX(UnHealthyHostCount) FROM SCHEMA("AWS/ApplicationELB", LoadBalancer, TargetGroup) '
        "WHERE LoadBalancer = '${LoadBalancer}'",
        LoadBalancer=balancer,
    )
    counted = {
        "load-balancer-errors": ("HTTPCode_ELB_5XX_Count", "The load balancer answered with server errors."),
        "application-errors": ("HTTPCode_Target_5XX_Count", "The application answered with server errors."),
    }
    return [
        *(
            Alarm(
                name=name,
                says=says,
                runbook=name,
                namespace="AWS/ApplicationELB",
                metric=metric,
                dimensions={"LoadBalancer": balancer},
                statistic="Sum",
                threshold=10,
            )
            for name, (metric, says) in counted.items()
        ),
        Alarm(
            name="unhealthy-hosts",
            says="An instance fails the load balancer's health checks.",
            runbook="unhealthy-hosts",
            namespace="AWS/ApplicationELB",
            metric="UnHealthyHostCount",
            dimensions={},
            statistic="Maximum",
            threshold=1,
            periods=2,
            query=unhealthy,  # Beanstalk makes the target group, so its name isn't known here
        ),
        Alarm(
            name="certificate-expiry",
            says="The certificate expires within 30 days, so its renewal has not worked.",
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
            return edge.ISSUED_CERTIFICATE_ARN.imported(deployment)
        case ExistingCertificate(certificate_arn=arn):
            return arn
        case _:
            return Ref("CertificateArn")


def _network(deployment: Deployment) -> list[Alarm]:
    settings = deployment.network
    gateways = 1 if settings.nat == "single" else settings.availability_zones
    return [
        Alarm(
            name=f"nat-ports-{number + 1}",
            says=f"NAT gateway {number + 1} had no free port left for a connection.",
            runbook="nat-ports",
            namespace="AWS/NATGateway",
            metric="ErrorPortAllocation",
            dimensions={"NatGatewayId": network.NAT_GATEWAYS.of(number).imported(deployment)},
            statistic="Sum",
            threshold=1,
        )
        for number in range(gateways)
    ]
