"""The kinds of values that Beanstalk's options take."""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words."""

    values: frozenset[str]

    def expected(self, value: str) -> str | None:
        """Return what is expected instead of *value*, or None where it fits."""
        return None if value in self.values else f"one of {', '.join(sorted(self.values))}"


@dataclass(frozen=True, slots=True)
class Integer:
    """An integer between two bounds, both included."""

    low: int
    high: int

    def expected(self, value: str) -> str | None:
        """Return what is expected instead of *value*, or None where it fits."""
        fits = re.fullmatch(r"-?\d+", value) is not None and self.low <= int(value) <= self.high
        return None if fits else f"an integer from {self.low} to {self.high}"


@dataclass(frozen=True, slots=True)
class Text:
    """Text that matches a pattern; any text but the empty one by default."""

    pattern: str = r"(?s).+"
    description: str = "text"

    def expected(self, value: str) -> str | None:
        """Return what is expected instead of *value*, or None where it fits."""
        return None if re.fullmatch(self.pattern, value) else self.description


ValueKind = Choice | Integer | Text
