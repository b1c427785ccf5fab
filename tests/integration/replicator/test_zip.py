"""Story of beanvault/artifacts/package.py and replicator/handler.py.

The function's zip (`beanvault/artifacts/`): the same wherever built; AWS's runtime client runs it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from beanvault.artifacts import package
from replicator.handler import MARGIN_SECONDS
from templates.deployment import Replicator
from testbed.localaws.authorization import AssumedRoleSession
from testbed.localaws.functions.runtime_api import Event
from testbed.localaws.functions.sandbox import Configuration, InvocationReport, Sandbox
from testbed.servers.localaws import OPERATOR, REGION
from testbed.servers.proxy import FORWARD, Pass, Proxy
from tests.project import ROOT

from .support_notify import Mailbox, variables

Start = Callable[..., Sandbox]
SECRETS = 100
MEGABYTES = Replicator().memory_mb
"""What a deployment gives the function unless it says otherwise."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> package.Package:
    return package.build(ROOT, "replicator", tmp_path_factory.mktemp("zip"))


@pytest.fixture
def start(made: package.Package, bench: Any, local_aws: Any, tmp_path: Path) -> Iterator[Start]:
    """Starts a fresh process of the function, its zip unpacked in a directory of its own."""
    session = AssumedRoleSession(
        OPERATOR["AWS_ACCESS_KEY_ID"],
        OPERATOR["AWS_SECRET_ACCESS_KEY"],
        "",
        datetime.now(UTC) + timedelta(hours=1),
    )
    name, home = bench.mount, tmp_path / "lambda"
    home.mkdir()
    running: list[Sandbox] = []

    def start(*, timeout: int = 120, memory: int = MEGABYTES) -> Sandbox:
        configuration = Configuration(
            name=name,
            arn=f"arn:aws:lambda:{REGION}:123456789012:function:{name}",
            version="$LATEST",
            region=REGION,
            handler="replicator.handler.handler",
            runtime="python3.13",
            role="",
            code_sha256=made.sha256,
            timeout=timeout,
            memory=memory,
            log_group=f"/aws/lambda/{name}",
            log_format="JSON",
            environment=tuple(variables(bench.config).items()),
        )
        running.append(Sandbox(configuration, made.path.read_bytes(), session, home, local_aws.endpoint))
        return running[-1]

    yield start
    for sandbox in running:
        sandbox.close()


@pytest.fixture
def sandbox(start: Start) -> Sandbox:
    return start()


def invoke(sandbox: Sandbox, **event: object) -> InvocationReport:
    return sandbox.invoke(Event(json.dumps(event).encode(), sandbox.configuration.arn))


def test_the_zip_brings_the_operations_that_lambdas_botocore_may_not_know(made: package.Package) -> None:
    names = zipfile.ZipFile(made.path).namelist()
    assert "replicator/aws_models/sts/2011-06-15/service-2.sdk-extras.json" in names
    assert not any(name.startswith(("boto3/", "botocore/")) for name in names)


def test_trees_of_other_dates_modes_and_leftovers_make_the_same_zip(
    made: package.Package, tmp_path: Path
) -> None:
    for number, moment in enumerate((datetime(1999, 1, 1, tzinfo=UTC), datetime(2031, 6, 7, tzinfo=UTC))):
        tree = tmp_path / str(number)
        shutil.copytree(ROOT / "replicator", tree / "replicator")
        (tree / "requirements").mkdir()
        shutil.copy(ROOT / "requirements" / "function.lock", tree / "requirements")
        (tree / "replicator" / "__pycache__").mkdir(exist_ok=True)
        (tree / "replicator" / "__pycache__" / f"left-{number}.pyc").write_bytes(os.urandom(16))
        for path in tree.rglob("*"):
            path.chmod(0o755 if path.is_dir() else (0o600, 0o664)[number])
            os.utime(path, (moment.timestamp(), moment.timestamp()))
        built = package.build(tree, "replicator", tmp_path / f"build-{number}")
        assert (built.sha256, built.size) == (made.sha256, made.size)


def test_another_source_makes_another_zip(made: package.Package, tmp_path: Path) -> None:
    """The comparison above can fail."""
    shutil.copytree(ROOT / "replicator", tmp_path / "replicator")
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    with (tmp_path / "replicator" / "names.py").open("a") as file:
        file.write("\n# another\n")
    assert package.build(tmp_path, "replicator", tmp_path / "build").sha256 != made.sha256


def test_it_holds_what_the_function_imports_and_nothing_else(made: package.Package) -> None:
    with zipfile.ZipFile(made.path) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
    top = {name.split("/")[0].removesuffix(".py") for name in names if ".dist-info" not in name}
    assert top == {
        *("replicator", "aws_lambda_powertools", "hvac", "requests"),
        *("certifi", "charset_normalizer", "idna", "jmespath", "typing_extensions", "urllib3"),
    }
    folder = ROOT / "replicator"
    files = [*folder.rglob("*.py"), *(folder / "aws_models").rglob("*.json")]
    sources = {str(path.relative_to(ROOT)) for path in files}
    assert {name for name in names if name.startswith("replicator/")} == sources
    assert made.size < package.LIMIT == 15_000_000


def test_it_runs_in_a_clean_directory_within_its_memory(
    bench: Any, sandbox: Sandbox, record_property: Any
) -> None:
    """Awslambdaric asks the Runtime API for events, as in Lambda; more memory would end the process."""
    for number in range(SECRETS):
        bench.write(f"app/{number}", password=f"canary-{number}")
    first, second = invoke(sandbox), invoke(sandbox)
    assert not first.outcome.failed, first.log
    assert json.loads(first.outcome.payload)["Created"] == SECRETS
    assert json.loads(second.outcome.payload)["Unchanged"] == SECRETS
    assert json.loads(bench.value("app/7")) == {"password": "canary-7"}
    assert "canary" not in first.log + second.log
    record_property("cold start, ms", float(_told(first, "Init Duration")))
    record_property("peak memory, MB", int(_told(second, "Max Memory Used")))
    assert int(_told(second, "Max Memory Used")) < MEGABYTES
    assert "Init Duration" not in second.log  # the same process


def test_a_failure_is_posted_as_an_error_and_the_process_serves_the_next_event(
    bench: Any, sandbox: Sandbox
) -> None:
    bench.write("empty")
    failed = invoke(sandbox)
    assert failed.outcome.failed
    error = json.loads(failed.outcome.payload)
    assert error["errorType"] == "RunFailed"
    assert "ValueRefused" in error["errorMessage"]
    bench.vault.secrets.kv.v2.delete_metadata_and_all_versions("empty", mount_point=bench.mount)
    assert not invoke(sandbox).outcome.failed


def test_too_little_memory_ends_the_process(start: Start) -> None:
    """The limit above is one: with less than Python itself takes, the function is killed."""
    report = invoke(start(memory=16))
    assert json.loads(report.outcome.payload)["errorType"] == "Runtime.OutOfMemory"


def test_a_run_that_waits_for_vault_ends_in_time_and_is_completed_by_the_next(
    bench: Any, bus: Mailbox, start: Start, openbao: Any, authority: Any
) -> None:
    """One value takes Vault longer than the function has; when it was asked for, there was time enough."""
    others = 20
    bench.write("slow", password="canary-slow")
    for number in range(others):
        bench.write(f"app/{number}", password=f"canary-{number}")
    with closing(Proxy(openbao.address, openbao.ca_file, authority.issue("slow-vault"))) as vault:
        bench.connect({"method": "token", "token": openbao.root_token}, address=vault.address)
        vault.rule = lambda call: Pass(120) if call.path.endswith("/data/slow") else FORWARD
        first = invoke(start(timeout=int(MARGIN_SECONDS) + 8))
        assert not first.outcome.failed, first.log
        assert json.loads(first.outcome.payload)["Created"] == others
        asked = [each["detail"] for each in bus.read() if each["detail-type"] == "Replication Requested"]
        assert asked == [{"reason": "continuation"}]
        assert any(call.path.endswith("/data/slow") for call in vault.calls())
        vault.rule = lambda _: FORWARD
        sandbox = start()
        completing, resting = invoke(sandbox), invoke(sandbox)
    assert not completing.outcome.failed, completing.log
    counts = json.loads(completing.outcome.payload)
    assert (counts["Created"], counts["Unchanged"]) == (1, others)
    assert json.loads(bench.value("slow")) == {"password": "canary-slow"}
    assert json.loads(resting.outcome.payload)["Unchanged"] == others + 1


def _told(report: InvocationReport, what: str) -> str:
    """Return a number of the line that Lambda ends each invocation's log with."""
    found = re.search(rf"{what}: ([\d.]+)", report.log)
    assert found, report.log
    return found[1]
