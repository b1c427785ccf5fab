"""A function's log: to a file, to CloudWatch Logs with its role's permissions, EMF lines to metrics."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from ..moto_client import client
from .sandbox import Sandbox

_file_lock = threading.Lock()


def deliver(sandbox: Sandbox, log: str, directory: Path, endpoint: str) -> None:
    """Deliver the log of one invocation."""
    configuration = sandbox.configuration
    note = _to_cloudwatch(sandbox, log, endpoint)
    with _file_lock, (directory / f"{configuration.name}.log").open("a") as file:
        file.write(log + note)
    metrics = client("cloudwatch", configuration.region, configuration.arn.split(":")[4])
    for namespace, data in embedded_metrics(log):
        metrics.put_metric_data(Namespace=namespace, MetricData=data)


def _to_cloudwatch(sandbox: Sandbox, log: str, endpoint: str) -> str:
    """Write with the function's role; on refusal, which Lambda ignores, return a line for the file."""
    configuration = sandbox.configuration
    logs = sandbox.session.client("logs", configuration.region, endpoint)
    stream = {"logGroupName": configuration.log_group, "logStreamName": sandbox.log_stream}
    now = int(time.time() * 1000)
    events = [{"timestamp": now, "message": line} for line in log.split("\n") if line]
    try:
        try:
            logs.put_log_events(**stream, logEvents=events)
        except logs.exceptions.ResourceNotFoundException:
            try:
                logs.create_log_stream(**stream)
            except logs.exceptions.ResourceNotFoundException:
                logs.create_log_group(logGroupName=configuration.log_group)
                logs.create_log_stream(**stream)
            logs.put_log_events(**stream, logEvents=events)
    except ClientError as error:
        return f"(not in CloudWatch Logs: {error.response['Error']['Message']})\n"
    return ""


def embedded_metrics(log: str) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield namespace and metric data of each line in the embedded metric format.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    for line in log.splitlines():
        if not line.startswith("{") or '"CloudWatchMetrics"' not in line:
            continue
        try:
            record = json.loads(line)
        except ValueError:
            continue
        for directive in record["_aws"]["CloudWatchMetrics"]:
            data = []
            for names in directive.get("Dimensions") or [[]]:
                dimensions = [{"Name": name, "Value": str(record[name])} for name in names]
                for metric in directive["Metrics"]:
                    value = record[metric["Name"]]
                    values = value if isinstance(value, list) else [value]
                    data += [
                        {
                            "MetricName": metric["Name"],
                            "Dimensions": dimensions,
                            "Unit": metric.get("Unit", "None"),
                            "Value": float(one),
                        }
                        for one in values
                    ]
            yield directive["Namespace"], data
