"""What can go wrong, named for what the operator does next.

Messages name the mount, path, secret or variable and the remedy. They never carry a value, a token or a
response's body.
"""

from __future__ import annotations

from pathlib import Path
from traceback import walk_tb

_OURS = Path(__file__).parent


class ReplicatorError(Exception):
    """The root of all errors of the replicator; never raised itself."""


class ConfigError(ReplicatorError):
    """Variables, the connection secret or AWS's own settings are wrong; correct all that is listed."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class SourceError(ReplicatorError):
    """Vault did not give what was asked for; never raised itself."""


class SourceUnavailable(SourceError):
    """Vault is unreachable, slow or failing; nothing was written from it, the next run may succeed."""


class SourceSealed(SourceUnavailable):
    """Vault is sealed; unseal it, the next run then succeeds."""


class SourceDenied(SourceError):
    """Vault refuses the login or the policy does not grant the path; a retry will not help."""


class SourceMissing(SourceError):
    """Vault knows nothing of this address: the mount does not exist, or somebody else answers for Vault."""


class NothingThere(SourceMissing):
    """The mount is there and says that it holds nothing at this path; only this makes a path gone."""


class SourceChanged(SourceError):
    """The path no longer holds what was listed a moment ago; the next run sees what it holds now."""


class ValueRefused(ReplicatorError):
    """The value cannot become a secret (empty, too large, or not of the form asked for)."""


class TargetError(ReplicatorError):
    """Secrets Manager, or another AWS service, refused a call."""


class TargetDenied(TargetError):
    """The function's role, or the KMS key's policy, does not allow the call."""


class TargetThrottled(TargetError):
    """AWS throttled the call longer than it was retried; the next run goes on."""


class TargetUnavailable(TargetError):
    """AWS did not answer, or answered with an internal error, longer than it was retried."""


class TargetMissing(TargetError):
    """The secret does not exist (any more)."""


class UnsafePlan(ReplicatorError):
    """The plan would delete more than the allowed share of the owned secrets; nothing was changed."""


class OutOfTime(ReplicatorError):
    """The run's time is nearly over: a request was not sent any more, or not one write was made.

    Asking for a continuation would not end then.
    """


class RunFailed(ReplicatorError):
    """At least one secret could not be replicated; the report names each, with its cause."""


class Unforeseen(ReplicatorError):
    """A bug: an exception that nobody foresaw, told by class and place, as its own text may hold a value."""


def named(failure: Exception) -> ReplicatorError:
    """Return *failure* if it is one of ours, else what may be told of it."""
    if isinstance(failure, ReplicatorError):
        return failure
    places = [(Path(frame.f_code.co_filename), line) for frame, line in walk_tb(failure.__traceback__)]
    ours = [f"{path.relative_to(_OURS)}:{line}" for path, line in places if path.is_relative_to(_OURS)]
    return Unforeseen(f"{type(failure).__name__} at {' > '.join(ours)}; this is a bug, please report it")
