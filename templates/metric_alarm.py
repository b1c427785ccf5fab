"""One CloudWatch alarm of a deployment, and its resource."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from troposphere.cloudwatch import Alarm, MetricDataQuery, MetricDimension

from templates import keys_layer
from templates.deployment import Deployment
from templates.policies import Arn


@dataclass(frozen=True, slots=True)
class MetricAlarm:
    """One alarm: what happened in words, the section of the runbook, and the metric that shows it."""

    name: str
    summary: str
    runbook: str
    namespace: str
    metric: str
    dimensions: Mapping[str, Arn]
    statistic: Literal["Sum", "Average", "Maximum", "Minimum"]
    threshold: float
    period: int = 300
    periods: int = 1
    below: bool = False
    missing: Literal["breaching", "notBreaching", "ignore"] = "notBreaching"
    query: Arn | None = field(default=None)
    """A Metrics Insights query instead of a single metric, where the dimensions are not known in advance."""

    def resource(self, deployment: Deployment) -> Alarm:
        """Return the resource, which notifies the deployment's topic when the alarm starts and ends."""
        topic = keys_layer.TOPIC_ARN.imported(deployment)
        comparison = "LessThanThreshold" if self.below else "GreaterThanOrEqualToThreshold"
        return Alarm(
            "".join(word.capitalize() for word in self.name.split("-")) + "Alarm",
            AlarmName=f"{deployment.name}-{self.name}",
            AlarmDescription=f"{self.summary} Runbook: docs/operations.md#{self.runbook}",
            ComparisonOperator=comparison,
            Threshold=self.threshold,
            EvaluationPeriods=self.periods,
            TreatMissingData=self.missing,
            ActionsEnabled=True,
            AlarmActions=[topic],
            OKActions=[topic],
            **self._metric(),
        )

    def _metric(self) -> dict[str, object]:
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
