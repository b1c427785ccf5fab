"""The dashboard: the flow from left to right, from Vault to the database, one column per hop."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from troposphere import Sub

from templates import edge_layer
from templates.deployment import Deployment
from templates.triggers import dead_letter_queue_name

_COLUMN_WIDTH = 6  # CloudWatch's grid has 24 columns
_HEIGHT = 6

Line = tuple[str, ...]
"""Namespace, metric, and pairs of dimension and value, as in the source of a CloudWatch dashboard."""


def body(deployment: Deployment) -> Sub:
    """Return the dashboard's source; CloudFormation inserts the load balancer's name."""
    columns: list[tuple[str, Sequence[tuple[str, str, Sequence[Line]]]]] = [
        ("① Vault → replicator", _runs(deployment)),
        ("② replicator → Secrets Manager", _secrets(deployment)),
        ("③ clients → application", _application()),
        ("④ application → database", _database(deployment)),
    ]
    widgets: list[Mapping[str, Any]] = []
    for number, (title, graphs) in enumerate(columns):
        x = number * _COLUMN_WIDTH
        widgets.append(_widget("text", x, 0, 2, {"markdown": f"## {title}"}))
        for row, (name, statistic, lines) in enumerate(graphs):
            graph = {
                "title": name,
                "view": "timeSeries",
                "stat": statistic,
                "period": 300,
                "region": deployment.region,
                "metrics": [list(line) for line in lines],
            }
            widgets.append(_widget("metric", x, 2 + row * _HEIGHT, _HEIGHT, graph))
    source = json.dumps({"widgets": widgets}, ensure_ascii=False)
    return Sub(source, LoadBalancer=edge_layer.LOAD_BALANCER_FULL_NAME.imported(deployment))


def _widget(kind: str, x: int, y: int, height: int, properties: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"type": kind, "x": x, "y": y, "width": _COLUMN_WIDTH, "height": height, "properties": properties}


def _replicator_metrics(deployment: Deployment, *names: str) -> list[Line]:
    return [("beanvault", name, "deployment", deployment.name) for name in names]


def _runs(deployment: Deployment) -> list[tuple[str, str, Sequence[Line]]]:
    name = deployment.function_name
    return [
        ("Runs", "Sum", _replicator_metrics(deployment, "Runs", "Failed")),
        (
            "Invocations",
            "Sum",
            [("AWS/Lambda", what, "FunctionName", name) for what in ("Invocations", "Errors", "Throttles")],
        ),
        ("Duration", "Maximum", [("AWS/Lambda", "Duration", "FunctionName", name)]),
    ]


def _secrets(deployment: Deployment) -> list[tuple[str, str, Sequence[Line]]]:
    queue = dead_letter_queue_name(deployment)
    return [
        ("Changes", "Sum", _replicator_metrics(deployment, "Created", "Updated", "Restored", "Deleted")),
        ("Replication lag in seconds", "Maximum", _replicator_metrics(deployment, "LagSeconds")),
        (
            "Not replicated",
            "Maximum",
            [
                *_replicator_metrics(deployment, "Conflicts", "Skipped"),
                ("AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", queue),
            ],
        ),
    ]


def _application() -> list[tuple[str, str, Sequence[Line]]]:
    def on(*metrics: str) -> list[Line]:
        return [("AWS/ApplicationELB", metric, "LoadBalancer", "${LoadBalancer}") for metric in metrics]

    return [
        ("Requests", "Sum", on("RequestCount")),
        ("Errors", "Sum", on("HTTPCode_ELB_5XX_Count", "HTTPCode_Target_5XX_Count")),
        ("Response time", "p99", on("TargetResponseTime")),
    ]


def _database(deployment: Deployment) -> list[tuple[str, str, Sequence[Line]]]:
    def on(*metrics: str) -> list[Line]:
        return [
            ("AWS/RDS", metric, "DBInstanceIdentifier", deployment.database_identifier) for metric in metrics
        ]

    return [
        ("CPU", "Average", on("CPUUtilization")),
        ("Connections", "Maximum", on("DatabaseConnections")),
        ("Free storage", "Minimum", on("FreeStorageSpace")),
    ]
