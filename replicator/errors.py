"""Errors, named for what the operator does next.

Messages name the mount, path, secret or variable and the remedy. They never contain a value, a token or the
body of a response.
"""

from __future__ import annotations

from pathlib import Path
from traceback import walk_tb

_OURS = Path(__file__).parent


class ReplicatorError(Exception):
    """The root of all errors of the replicator; never raised itself."""


class ConfigError(ReplicatorError):
    """Variables, the connection secret or AWS's own settings are wrong; correct all that are listed."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class NotConnected(ReplicatorError):
    """No connection to Vault has been stored since the deployment was made: a state, and not a failure."""


class SourceError(ReplicatorError):
    """A request to Vault failed; never raised itself."""


class SourceUnavailable(SourceError):
    """Vault is unreachable, slow or failing; nothing was written, and the next run may succeed."""


class SourceSealed(SourceUnavailable):
    """Vault is sealed; unseal it, and the next run succeeds."""


class SourceDenied(SourceError):
    """Vault refuses the login or the policy does not grant the path; a retry will not help."""


class SourceMissing(SourceError):
    """Vault has nothing at this address: the mount does not exist, or another server answers in its place."""


class PathNotFound(SourceMissing):
    """The mount exists and has nothing at this path; only this makes a path count as deleted."""


class SourceChanged(SourceError):
    """The path changed since it was listed a moment ago; the next run replicates it as it is then."""


class ValueRefused(ReplicatorError):
    """The value can't become a secret (empty, too large, or not of the requested form)."""


class TargetError(ReplicatorError):
    """Secrets Manager, or another AWS service, refused a call."""


class TargetDenied(TargetError):
    """The function's role, or the KMS key's policy, does not allow the call."""


class TargetThrottled(TargetError):
    """AWS throttled the call until no retry was left; the next run continues."""


class TargetUnavailable(TargetError):
    """AWS did not answer, or with an internal error, until no retry was left."""


class TargetMissing(TargetError):
    """The secret does not exist (any more)."""


class TargetBusy(TargetError):
    """The secret's replica regions are still being removed; the next run deletes it."""


class UnsafePlan(ReplicatorError):
    """The plan would delete more than the allowed share of the owned secrets; nothing was changed."""


class OutOfTime(ReplicatorError):
    """The run's time is nearly over: a request was not sent, or not one write was made.

    In the second case continuations would never come to an end.
    """


class RunFailed(ReplicatorError):
    """At least one secret could not be replicated; the report names each, with its cause."""


class Unforeseen(ReplicatorError):
    """A bug: an unforeseen exception, named by class and place, as its own text may contain a value."""


def named(failure: Exception) -> ReplicatorError:
    """Return *failure* if it is one of ours, else an error with what is safe to report about it."""
    if isinstance(failure, ReplicatorError):
        return failure
    places = [(Path(frame.f_code.co_filename), line) for frame, line in walk_tb(failure.__traceback__)]
    ours = [f"{path.relative_to(_OURS)}:{line}" for path, line in places if path.is_relative_to(_OURS)]
    return Unforeseen(f"{type(failure).__name__} at {' > '.join(ours)}; this is a bug, please report it")
