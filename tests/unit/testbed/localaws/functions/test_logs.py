"""Lines in CloudWatch's embedded metric format become metrics."""

from __future__ import annotations

import json

from testbed.localaws.functions.logs import embedded_metrics

LINE = json.dumps(
    {
        "_aws": {
            "Timestamp": 1,
            "CloudWatchMetrics": [
                {
                    "Namespace": "beanvault",
                    "Dimensions": [["service"], []],
                    "Metrics": [{"Name": "created", "Unit": "Count"}, {"Name": "lag"}],
                }
            ],
        },
        "service": "replicator",
        "created": 3,
        "lag": [1.5, 2],
    }
)


def test_each_value_counts_once_for_each_set_of_dimensions() -> None:
    """Two sets of dimensions, one number and one list of two: six values."""
    ((namespace, data),) = embedded_metrics(f"START\n{LINE}\nplain text\n")
    assert namespace == "beanvault"
    assert [(one["MetricName"], one["Value"], len(one["Dimensions"])) for one in data] == [
        ("created", 3.0, 1),
        ("lag", 1.5, 1),
        ("lag", 2.0, 1),
        ("created", 3.0, 0),
        ("lag", 1.5, 0),
        ("lag", 2.0, 0),
    ]
    assert (data[0]["Unit"], data[1]["Unit"]) == ("Count", "None")
    assert data[0]["Dimensions"] == [{"Name": "service", "Value": "replicator"}]


def test_other_lines_are_no_metrics() -> None:
    """JSON without directives, and text that only looks like JSON, is left alone."""
    assert list(embedded_metrics('{"a": 1}\n{broken "CloudWatchMetrics"\n')) == []
