"""Accessibility violations of a page, found by axe-core (https://github.com/dequelabs/axe-core)."""

from __future__ import annotations

from typing import Any

from .chromium import Browser


def violations(browser: Browser, axe: str) -> dict[str, list[str]]:
    """Return the violated rules of axe, each with the elements that violate it; some rules must apply."""
    browser.run(axe)
    result: Any = browser.run("return axe.run()")
    applied = {rule["id"] for rule in result["passes"] + result["violations"]}
    assert {"color-contrast", "document-title", "html-has-lang"} <= applied
    return {rule["id"]: [node["html"] for node in rule["nodes"]] for rule in result["violations"]}
