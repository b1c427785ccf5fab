"""How answers of AWS are parsed: a malformed one is an error that names the operation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from itertools import chain
from typing import TypeVar

Answer = TypeVar("Answer")
Parsed = TypeVar("Parsed")
Item = TypeVar("Item")


class MalformedAnswer(Exception):
    """An answer of AWS lacks a field, or a field holds something else than documented."""


def parses(operation: str) -> Callable[[Callable[[Answer], Parsed]], Callable[[Answer], Parsed]]:
    """Decorate a function that parses an answer of *operation*.

    A missing field (`KeyError`) and an unreadable value (`ValueError`) become `MalformedAnswer`. Everything
    else is a bug of the function and surfaces as one; that it names existing fields only is checked by mypy.
    """

    def decorate(parse: Callable[[Answer], Parsed]) -> Callable[[Answer], Parsed]:
        @wraps(parse)
        def checked(answer: Answer) -> Parsed:
            try:
                return parse(answer)
            except KeyError as error:
                raise MalformedAnswer(f"AWS's answer to {operation} has no field {error}") from error
            except ValueError as error:
                raise MalformedAnswer(f"AWS's answer to {operation} is malformed: {error}") from error

        return checked

    return decorate


def all_items(parse: Callable[[Answer], Iterable[Item]], pages: Iterable[Answer]) -> tuple[Item, ...]:
    """Return the parsed items of all pages of a paginated answer."""
    return tuple(chain.from_iterable(map(parse, pages)))
