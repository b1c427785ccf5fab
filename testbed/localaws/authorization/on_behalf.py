"""Services that act with the rights of whoever called them: CloudFormation, and Beanstalk in part.

Their calls are made in this process with the engine's key, and authorized as the caller's.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/control-access-with-iam.html
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from .identity import Caller


@dataclass(frozen=True, slots=True)
class OnBehalf:
    """A service that acts for a caller."""

    caller: Caller
    service: str
    """Such as `cloudformation.amazonaws.com`, for `aws:CalledVia`."""


_requester: ContextVar[Caller | None] = ContextVar("requester", default=None)
_on_behalf: ContextVar[OnBehalf | None] = ContextVar("on_behalf", default=None)


def note_requester(caller: Caller | None) -> None:
    """Remember who made this thread's request; None for the operator, who can do everything."""
    _requester.set(caller)


def requester() -> Caller | None:
    """Return whose rights the call has: the caller that a service acts for, else the request's own."""
    on_behalf = _on_behalf.get()
    return on_behalf.caller if on_behalf else _requester.get()


def acting() -> OnBehalf | None:
    """Return for whom a service acts in this thread, if one does."""
    return _on_behalf.get()


@contextmanager
def on_behalf_of(caller: Caller | None, service: str) -> Iterator[None]:
    """Authorize the engine's calls in this block as *caller*'s; without a caller for None."""
    token = _on_behalf.set(OnBehalf(caller, service) if caller else None)
    try:
        yield
    finally:
        _on_behalf.reset(token)
