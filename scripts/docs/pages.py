"""The generated pages and the functions that build them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from scripts.docs import commands, controls, cost, deployment_file, events_and_metrics, variables

PAGES: Mapping[str, Callable[[], str]] = {
    "docs/reference/commands.md": commands.build,
    "docs/reference/deployment-file.md": deployment_file.build,
    "docs/reference/environment-variables.md": variables.build,
    "docs/reference/events.md": events_and_metrics.events,
    "docs/reference/metrics.md": events_and_metrics.metrics,
    "docs/reference/controls.md": controls.reference,
    "docs/controls.md": controls.rules,
    "docs/cost.md": cost.build,
}
