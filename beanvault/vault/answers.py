"""Vault's answers. hvac returns untyped JSON; its shape is checked here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from .errors import VaultError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer:
    """A JSON object in an answer. It can hold secrets, so only its keys appear in errors."""

    request: str
    """What was requested, for errors: "a read of secret/app"."""
    fields: Mapping[str, object] = field(repr=False)

    @classmethod
    def of(cls, raw: object, request: str) -> Answer:
        """Return the object `data` of an answer in Vault's usual envelope.

        Raises:
            VaultError: the answer has another shape
        """
        return cls.root(raw, request).part("data")

    @classmethod
    def root(cls, raw: object, request: str) -> Answer:
        """Return an answer as a whole: sys/seal-status, for example, has no envelope.

        Raises:
            VaultError: the answer is not a JSON object
        """
        return cls(request, {"answer": raw}).part("answer")

    def text(self, key: str) -> str:
        return self._get(key, str)

    def number(self, key: str) -> int:
        return self._get(key, int)

    def flag(self, key: str) -> bool:
        return self._get(key, bool)

    def part(self, key: str) -> Answer:
        return Answer(self.request, {str(name): value for name, value in self._get(key, dict).items()})

    def parts(self) -> dict[str, Answer]:
        """Return each field that is an object: a listing of mounts, for example."""
        return {key: self.part(key) for key, value in self.fields.items() if isinstance(value, dict)}

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of strings; an empty one where the field is null or missing."""
        return tuple(str(value) for value in self._get(key, list)) if self.fields.get(key) else ()

    def text_map(self, key: str) -> dict[str, str]:
        """Return an object of strings; an empty one where the field is null or missing."""
        if not self.fields.get(key):
            return {}
        return {name: str(value) for name, value in self.part(key).fields.items()}

    def _get(self, key: str, kind: type[T]) -> T:
        value = self.fields.get(key)
        if not isinstance(value, kind):
            raise VaultError(
                f"Vault's answer to {self.request} has no {key} of type {kind.__name__}",
                "check that the address is Vault's and that no proxy changes its answers",
            )
        return value
