"""`notify.py`, `handler.py`, `__main__.py`: messages, events, metrics, exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Any

import pytest

from replicator.aws import Clients
from replicator.contract.events import ReplicationRequest
from replicator.contract.summary import Count, ProblemKind
from replicator.errors import ConfigError, RunFailed
from replicator.replicate import RunClock
from replicator.run import run

from .support_notify import Context, Mailbox


class TestMessages:
    def test_one_message_when_health_changes_and_none_while_it_stays(
        self, bench: Any, alerts: Mailbox
    ) -> None:
        bench.write("db", password="canary")
        bench.run()
        assert alerts.read() == []
        bench.write("empty")
        for expected in (1, 0):
            bench.run()
            messages = alerts.read()
            assert len(messages) == expected
            for message in messages:
                assert message["Subject"] == f"beanvault: replication is unhealthy for {bench.mount}"
                assert "1 failed" in message["Message"]
                assert f"{bench.name('empty')}: ValueRefused" in message["Message"]
        bench.vault.secrets.kv.v2.delete_metadata_and_all_versions("empty", mount_point=bench.mount)
        for expected in (1, 0):
            bench.run()
            assert len(alerts.read()) == expected

    def test_a_failure_before_the_first_secret_is_published_too(self, bench: Any, alerts: Mailbox) -> None:
        bench.connect({"method": "token", "token": "s.canary-wrong"})
        bench.run()
        ((message),) = alerts.read()
        assert "SourceDenied" in message["Message"]
        assert "canary" not in json.dumps(message)

    def test_a_healthy_run_over_some_paths_does_not_end_an_alarm(self, bench: Any, alerts: Mailbox) -> None:
        bench.write("db", password="canary")
        bench.write("empty")
        bench.run()
        assert len(alerts.read()) == 1
        assert bench.run(f"{bench.mount}/db").healthy
        assert alerts.read() == []

    def test_a_dry_run_sends_no_notification(self, bench: Any, alerts: Mailbox) -> None:
        bench.connect({"method": "token", "token": "s.wrong"})
        assert not bench.run(dry_run=True).healthy
        assert alerts.read() == []

    def test_a_message_that_cannot_be_sent_makes_the_run_fail(self, bench: Any) -> None:
        bench.set(topic_arn="arn:aws:sns:eu-central-1:123456789012:nobody")
        bench.connect({"method": "token", "token": "s.wrong"})
        causes = [each.cause for each in bench.run().problems()]
        assert any(cause.startswith("Publish to arn:aws:sns") for cause in causes)


class TestEvents:
    def test_each_changed_secret_has_its_event_without_a_value(self, bench: Any, bus: Mailbox) -> None:
        for number in range(12):
            bench.write(f"app/{number}", password="canary-event")
        bench.run()
        events = bus.read()
        assert "canary-event" not in json.dumps(events)
        assert {each["detail-type"] for each in events} == {"Secret Replicated"}
        assert {each["source"] for each in events} == {"beanvault.replicator"}
        details = {each["detail"]["name"]: each["detail"] for each in events}
        assert len(details) == 12
        described = bench.describe("app/3")
        assert details[bench.name("app/3")] == {
            "source": f"{bench.mount}/app/3",
            "name": bench.name("app/3"),
            "arn": described["ARN"],
            "version_id": next(iter(described["VersionIdsToStages"])),
            "change": "created",
        }
        bench.run()
        assert bus.read() == []

    def test_each_kind_of_change_has_its_own_event(self, bench: Any, bus: Mailbox) -> None:
        bench.set(deletion_days=7, max_delete_share=1.0)
        seen = []
        kv = bench.vault.secrets.kv.v2
        bench.write("db", password="canary-1")
        for change in (
            lambda: None,
            lambda: bench.write("db", password="canary-2"),
            lambda: kv.delete_latest_version_of_secret("db", mount_point=bench.mount),
            lambda: bench.write("db", password="canary-3"),
        ):
            change()
            bench.run()
            seen += [each["detail"]["change"] for each in bus.read()]
        assert seen == ["created", "updated", "deleted", "restored"]

    def test_a_run_that_runs_out_of_time_requests_its_continuation(self, bench: Any, bus: Mailbox) -> None:
        for number in range(60):
            bench.write(f"app/{number}", password="canary")
        answers = iter(range(30))
        clock = RunClock(time.time, lambda: next(answers, None) is not None)
        report = run(bench.config, Clients(bench.session), ReplicationRequest(), clock)
        assert report.deferred > 0
        assert report.healthy, report.problems()
        asked = [each for each in bus.read() if each["detail-type"] == "Replication Requested"]
        assert [each["detail"] for each in asked] == [{"reason": "continuation"}]
        assert asked[0]["source"] == "beanvault"
        assert bench.run().counts()[Count.CREATED] == report.deferred

    def test_the_continuation_of_a_run_over_some_paths_names_those_left(
        self, bench: Any, bus: Mailbox
    ) -> None:
        paths = [f"{bench.mount}/app/{number}" for number in range(40)]
        for path in paths:
            bench.write(path.removeprefix(f"{bench.mount}/"), password="canary")
        answers = iter(range(20))
        clock = RunClock(time.time, lambda: next(answers, None) is not None)
        report = run(bench.config, Clients(bench.session), ReplicationRequest(tuple(paths)), clock)
        (asked,) = [each for each in bus.read() if each["detail-type"] == "Replication Requested"]
        assert len(asked["detail"]["paths"]) == report.deferred
        assert set(asked["detail"]["paths"]) < set(paths)

    def test_an_event_that_cannot_be_sent_makes_the_run_fail_and_the_secret_is_written(
        self, bench: Any
    ) -> None:
        bench.set(bus_name="arn:aws:events:eu-central-1:123456789012:event-bus/nobody")
        bench.write("db", password="canary")
        report = bench.run()
        assert not report.healthy
        assert json.loads(bench.value("db")) == {"password": "canary"}


class TestHandler:
    def handle(self, event: dict[str, Any]) -> dict[str, int]:
        from replicator import handler

        return handler.handler(event, Context())

    @pytest.mark.usefixtures("environ")
    def test_the_counts_are_the_result_and_the_metrics(
        self, bench: Any, capsys: pytest.CaptureFixture[str]
    ) -> None:
        bench.write("db", password="canary-handler")
        counts = self.handle({})
        assert counts["Created"] == 1
        written = capsys.readouterr().out
        assert "canary-handler" not in written
        (metrics,) = [json.loads(line) for line in written.splitlines() if '"_aws"' in line]
        (block,) = metrics["_aws"]["CloudWatchMetrics"]
        assert block["Namespace"] == "beanvault"
        assert block["Dimensions"] == [["deployment"]]
        assert metrics["deployment"] == bench.config.owner
        assert {each["Name"] for each in block["Metrics"]} == {*counts, "LagSeconds", "NotConnected", "Runs"}
        assert metrics["Created"] == [1]

    @pytest.mark.usefixtures("environ")
    def test_an_event_that_names_paths_replicates_only_those(self, bench: Any) -> None:
        bench.write("one", password="canary")
        bench.write("two", password="canary")
        detail = {"paths": [f"{bench.mount}/one"], "reason": "push"}
        event = {"source": "beanvault", "detail-type": "Replication Requested", "detail": detail}
        assert self.handle(event)["Created"] == 1
        assert [each["Name"] for each in bench.secrets()] == [bench.name("one")]

    @pytest.mark.usefixtures("environ")
    def test_a_failure_is_raised_and_logged_by_name(
        self, bench: Any, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
    ) -> None:
        bench.write("empty")
        with pytest.raises(RunFailed, match="ValueRefused"):
            self.handle({})
        problems = [vars(record) for record in caplog.records if record.message == "problem"]
        assert [(each["kind"], each["subject"], each["error"]) for each in problems] == [
            (ProblemKind.SECRET, bench.name("empty"), "ValueRefused")
        ]
        written = capsys.readouterr().out.splitlines()
        assert [json.loads(line)["Failed"] for line in written if '"_aws"' in line] == [[1]]

    @pytest.mark.usefixtures("environ")
    def test_all_wrong_settings_are_raised_together(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("BEANVAULT_DELETION", "now")
        monkeypatch.delenv("BEANVAULT_OWNER")
        with pytest.raises(ConfigError) as caught:
            self.handle({})
        assert len(caught.value.problems) == 2

    @pytest.mark.usefixtures("environ")
    @pytest.mark.parametrize("detail", [None, "x", {"paths": "a"}, {"paths": [1]}])
    def test_a_malformed_request_is_refused(self, detail: object) -> None:
        with pytest.raises(ConfigError, match="Replication Requested"):
            self.handle({"detail-type": "Replication Requested", "detail": detail})


class TestCommandLine:
    def call(self, environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "replicator", *arguments],
            env={**os.environ, **environ},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def test_success_is_exit_code_0_and_the_report_is_on_standard_output(
        self, bench: Any, environ: dict[str, str]
    ) -> None:
        bench.write("db", password="canary-cli")
        dry = self.call(environ, "--dry-run")
        assert (dry.returncode, bench.secrets()) == (0, [])
        assert f"would create     {bench.name('db')}  from {bench.mount}/db" in dry.stdout
        real = self.call(environ, "--json")
        assert real.returncode == 0
        report = json.loads(real.stdout)
        assert report["counts"]["Created"] == 1
        assert report["changes"][0]["name"] == bench.name("db")
        assert "is for trials only" in real.stderr
        assert "canary-cli" not in dry.stdout + dry.stderr + real.stdout + real.stderr

    def test_a_failure_is_exit_code_1(self, bench: Any, environ: dict[str, str]) -> None:
        bench.write("empty")
        result = self.call(environ)
        assert result.returncode == 1
        assert f"ValueRefused  {bench.name('empty')}" in result.stdout

    def test_wrong_configuration_is_exit_code_2_and_all_problems_are_on_standard_error(
        self, environ: dict[str, str]
    ) -> None:
        result = self.call({**environ, "BEANVAULT_DELETION": "now", "BEANVAULT_OWNER": ""})
        assert (result.returncode, result.stdout) == (2, "")
        assert result.stderr.splitlines() == [
            "BEANVAULT_OWNER is not set",
            "BEANVAULT_DELETION is retain, or schedule:<days> with 7 to 30 days",
        ]

    def test_a_malformed_connection_secret_is_exit_code_2(self, bench: Any, environ: dict[str, str]) -> None:
        bench.aws.put_secret_value(SecretId=bench.config.connection_secret, SecretString="{}")
        result = self.call(environ)
        assert (result.returncode, result.stdout) == (2, "")
        assert len(result.stderr.splitlines()) == 2
