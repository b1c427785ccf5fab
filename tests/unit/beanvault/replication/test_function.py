"""Invoking the function, of which only one run at a time is allowed: a bounded wait for the other run."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from botocore.exceptions import ClientError

from beanvault.errors import ExitCode
from beanvault.polling import PollingClock
from beanvault.replication.function import BUSY_SECONDS, FunctionBusy, FunctionFailed, ReplicatorFunction
from beanvault.ui import NullUi
from tests.unit.beanvault.answers import Answer, playing

BUSY = Answer({"message": "Rate Exceeded."}, 429, "TooManyRequestsException")


@dataclass
class ManualTime:
    now: float = 0
    pauses: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    def clock(self) -> PollingClock:
        return PollingClock(lambda: self.now, self.sleep)


@dataclass(frozen=True)
class RecordingUi(NullUi):
    steps: list[str] = field(default_factory=list)

    def step(self, text: str) -> None:
        self.steps.append(text)


def test_a_run_in_progress_is_waited_for_and_reported_once() -> None:
    ui, time = RecordingUi(), ManualTime()
    aws = playing(lambda_Invoke=[BUSY, BUSY, Answer({"Created": 1})])
    assert ReplicatorFunction(aws, "shop-replicator", ui, time.clock()).replicate() == {"Created": 1}
    assert ui.steps == ["shop-replicator is already running: waiting up to 60 s"]
    assert time.pauses[1] > time.pauses[0] > 0


def test_a_function_that_stays_busy_is_an_error_with_a_remedy() -> None:
    time = ManualTime()
    aws = playing(lambda_Invoke=[BUSY] * 100)
    with pytest.raises(FunctionBusy, match="busy for 60 s") as raised:
        ReplicatorFunction(aws, "shop-replicator", clock=time.clock()).replicate()
    assert raised.value.remedy
    assert raised.value.exit_code == ExitCode.UNREACHABLE
    assert BUSY_SECONDS <= time.now < BUSY_SECONDS + 15


def test_another_error_is_not_retried() -> None:
    aws = playing(lambda_Invoke=[Answer({"Message": "no"}, 403, "AccessDeniedException"), BUSY])
    with pytest.raises(ClientError, match="AccessDeniedException"):
        ReplicatorFunction(aws, "shop-replicator", clock=ManualTime().clock()).replicate()


def test_a_dry_run_of_another_version_of_the_function_is_an_error_with_a_remedy() -> None:
    aws = playing(lambda_Invoke=[Answer({"Created": 1})])
    with pytest.raises(
        FunctionFailed, match="shop-replicator answered with not the summary of a run"
    ) as raised:
        ReplicatorFunction(aws, "shop-replicator").dry_run()
    assert raised.value.remedy == "deploy it again: `beanvault deploy replicator`"
