"""Which pages are generated, and by what."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from scripts.docs import commands, controls, cost, deployment_file, telling, variables

PAGES: Mapping[str, Callable[[], str]] = {
    "docs/reference/commands.md": commands.build,
    "docs/reference/deployment-file.md": deployment_file.build,
    "docs/reference/environment-variables.md": variables.build,
    "docs/reference/events.md": telling.events,
    "docs/reference/metrics.md": telling.metrics,
    "docs/reference/controls.md": controls.asked,
    "docs/controls.md": controls.leading,
    "docs/cost.md": cost.build,
}
