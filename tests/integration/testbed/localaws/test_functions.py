"""Lambda functions run by the local AWS: their zip, their role, and how they end."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import uuid
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from testbed.servers.localaws import REGION, LocalAws
from tests.polling import until

ACCOUNT = "123456789012"
CODE = """
import json, os, subprocess, sys, time
import boto3

def handler(event, context):
    print("asked for", event.get("do"))
    return globals()[event.get("do", "nothing")](event, context)

def nothing(event, context):
    return {"pid": os.getpid(), "left": context.get_remaining_time_in_millis(), "event": event}

def sleep(event, context):
    time.sleep(event["seconds"])

def leave(event, context):
    os._exit(event["status"])

def fail(event, context):
    raise ValueError("as asked")

def fill(event, context):
    held = bytearray(event["megabytes"] * 1024 * 1024)
    held[::4096] = b"x" * len(held[::4096])
    return len(held)

def need(event, context):
    __import__(event["module"])

def read(event, context):
    return boto3.client("secretsmanager").get_secret_value(SecretId=event["secret"])["SecretString"]

def look(event, context):
    return {"environment": dict(os.environ), "path": sys.path, "directory": os.getcwd()}

def measure(event, context):
    directive = {"Namespace": event["namespace"], "Dimensions": [["of"]], "Metrics": [{"Name": "created"}]}
    print(json.dumps({"_aws": {"CloudWatchMetrics": [directive]}, "of": "test", "created": 3}))

def child(event, context):
    return subprocess.Popen(["sleep", "600"]).pid
"""


def zipped(code: str = CODE) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("app.py", code)
    return data.getvalue()


@dataclass(frozen=True, slots=True)
class Answer:
    error: str | None
    payload: Any
    log: str


@dataclass(frozen=True, slots=True)
class Function:
    aws: LocalAws
    name: str

    @property
    def arn(self) -> str:
        return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{self.name}"

    @property
    def log_group(self) -> str:
        return f"/aws/lambda/{self.name}"

    @property
    def log_file(self) -> Path:
        return self.aws.home / "functions" / f"{self.name}.log"

    def client(self) -> Any:
        """The operator's client that neither retries nor waits for long."""
        return self.aws.session().client(
            "lambda", endpoint_url=self.aws.endpoint, config=Config(retries={"max_attempts": 0})
        )

    def invoke(self, do: str = "nothing", **event: Any) -> Answer:
        payload = json.dumps({"do": do, **event})
        answer = self.client().invoke(FunctionName=self.name, Payload=payload, LogType="Tail")
        log = base64.b64decode(answer["LogResult"]).decode()
        return Answer(answer.get("FunctionError"), json.loads(answer["Payload"].read()), log)

    def send(self, do: str, **event: Any) -> str:
        payload = json.dumps({"do": do, **event})
        answer = self.client().invoke(FunctionName=self.name, Payload=payload, InvocationType="Event")
        assert answer["StatusCode"] == 202
        return payload

    def runs(self) -> int:
        """How many invocations have ended so far."""
        return self.log_file.read_text().count("REPORT RequestId") if self.log_file.exists() else 0


def allow(aws: LocalAws, role: str, *statements: dict[str, Any]) -> None:
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **one} for one in statements]}
    aws.client("iam").put_role_policy(RoleName=role, PolicyName="all", PolicyDocument=json.dumps(document))


def new_role(aws: LocalAws, service: str = "lambda.amazonaws.com") -> str:
    name = f"role-{uuid.uuid4().hex[:12]}"
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    aws.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=document)
    return name


Create = Callable[..., Function]


@pytest.fixture
def create(local_aws: LocalAws) -> Iterator[Create]:
    """Creates functions with a role of the same name, and deletes them."""
    made = []

    def create(role: str | None = None, **settings: Any) -> Function:
        role = role or new_role(local_aws)
        spec = {"Handler": "app.handler", "Code": {"ZipFile": zipped()}, "Timeout": 10, "MemorySize": 256}
        functions = local_aws.client("lambda")
        functions.create_function(
            FunctionName=role,
            Runtime="python3.13",
            Role=f"arn:aws:iam::{ACCOUNT}:role/{role}",
            **{**spec, **settings},
        )
        made.append(role)
        functions.get_waiter("function_active_v2").wait(FunctionName=role)
        return Function(local_aws, role)

    yield create
    for name in made:
        local_aws.client("lambda").delete_function(FunctionName=name)


def test_a_function_answers_and_its_process_stays_warm(create: Create) -> None:
    """Moto needs Docker for this. The second invocation finds the process of the first."""
    function = create()
    first, second = function.invoke(x=1), function.invoke(x=2)
    assert (first.error, first.payload["event"]) == (None, {"do": "nothing", "x": 1})
    assert first.payload["pid"] == second.payload["pid"]
    assert 0 < second.payload["left"] <= 10_000
    assert "Init Duration" in first.log
    assert "Init Duration" not in second.log
    assert re.search(r"^START RequestId: \S+ Version: \$LATEST\nasked for nothing\nEND", second.log)


def test_new_code_or_configuration_means_a_new_process(create: Create, local_aws: LocalAws) -> None:
    """The next invocation uses both updates."""
    function = create()
    before = function.invoke().payload["pid"]
    functions = local_aws.client("lambda")
    functions.update_function_configuration(FunctionName=function.name, Environment={"Variables": {"A": "b"}})
    functions.get_waiter("function_updated_v2").wait(FunctionName=function.name)
    found_there = function.invoke("look").payload
    assert found_there["environment"]["A"] == "b"
    assert function.invoke().payload["pid"] != before
    code = zipped("def handler(event, context): return 'new'")
    functions.update_function_code(FunctionName=function.name, ZipFile=code)
    assert function.invoke().payload == "new"


def test_the_process_sees_lambdas_environment_and_nothing_of_this_one(
    create: Create, local_aws: LocalAws
) -> None:
    """Its own variables, Lambda's, the zip, AWS's runtime: no package that is installed here besides."""
    function = create(Environment={"Variables": {"MINE": "1"}})
    found_there = function.invoke("look").payload
    environment = found_there["environment"]
    for name, value in {
        "MINE": "1",
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_REGION": REGION,
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
        "_HANDLER": "app.handler",
        "AWS_ENDPOINT_URL": local_aws.endpoint,
        "AWS_LAMBDA_LOG_GROUP_NAME": function.log_group,
        "LAMBDA_TASK_ROOT": found_there["directory"],
    }.items():
        assert environment[name] == value
    assert "VIRTUAL_ENV" not in environment
    assert not [path for path in found_there["path"] if "site-packages" in path or "dist-packages" in path]
    assert function.invoke("need", module="botocore").error is None
    missing = function.invoke("need", module="hvac")
    assert (missing.error, missing.payload["errorType"]) == ("Unhandled", "ModuleNotFoundError")


def test_a_function_has_its_roles_rights_and_no_more(create: Create, local_aws: LocalAws) -> None:
    """One secret is allowed, another is not; the refusal names the role's session."""
    function = create()
    names = [f"{which}-{uuid.uuid4().hex}" for which in ("mine", "theirs")]
    for name in names:
        local_aws.client("secretsmanager").create_secret(Name=name, SecretString=f"value of {name}")
    resource = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:mine-*"
    allow(local_aws, function.name, {"Action": "secretsmanager:GetSecretValue", "Resource": resource})
    assert function.invoke("read", secret=names[0]).payload == f"value of {names[0]}"
    refused = function.invoke("read", secret=names[1])
    assert refused.error == "Unhandled"
    assert f"assumed-role/{function.name}/" in refused.payload["errorMessage"]
    assert "AccessDeniedException" in refused.payload["errorMessage"]


def test_a_policy_can_tell_the_functions_own_calls(create: Create, local_aws: LocalAws) -> None:
    """Every call of the code has lambda:SourceFunctionArn."""
    function, secret = create(), uuid.uuid4().hex
    local_aws.client("secretsmanager").create_secret(Name=secret, SecretString="value")
    for source, error in ((function.arn, None), (function.arn + "x", "Unhandled")):
        condition = {"ArnEquals": {"lambda:SourceFunctionArn": source}}
        read = {"Action": "secretsmanager:GetSecretValue", "Resource": "*", "Condition": condition}
        allow(local_aws, function.name, read)
        assert function.invoke("read", secret=secret).error == error


def test_a_role_that_does_not_trust_lambda_is_not_assumed(create: Create, local_aws: LocalAws) -> None:
    """Moto assumes any role, even one that does not exist."""
    function = create(role=new_role(local_aws, "ec2.amazonaws.com"))
    with pytest.raises(ClientError) as caught:
        function.invoke()
    assert caught.value.response["Error"]["Code"] == "AccessDeniedException"


def test_time_is_limited(create: Create) -> None:
    """The process is ended; the next invocation has a new one."""
    function = create(Timeout=1)
    before = function.invoke().payload["pid"]
    answer = function.invoke("sleep", seconds=30)
    assert (answer.error, answer.payload["errorType"]) == ("Unhandled", "Sandbox.Timedout")
    assert answer.payload["errorMessage"].endswith("Error: Task timed out after 1.00 seconds")
    assert function.invoke().payload["pid"] != before


def test_memory_is_limited(create: Create) -> None:
    """What fits is let be, what doesn't ends the process."""
    function = create(MemorySize=128)
    assert function.invoke("fill", megabytes=20).error is None
    answer = function.invoke("fill", megabytes=400)
    assert (answer.error, answer.payload["errorType"]) == ("Unhandled", "Runtime.OutOfMemory")
    assert "signal: killed" in answer.payload["errorMessage"]
    assert function.invoke().error is None


def test_a_crash_is_told_as_lambda_tells_it(create: Create) -> None:
    """With and without a status; what was printed before is in the log."""
    function = create()
    answer = function.invoke("leave", status=3)
    assert (answer.error, answer.payload["errorType"]) == ("Unhandled", "Runtime.ExitError")
    assert answer.payload["errorMessage"].endswith("Error: Runtime exited with error: exit status 3")
    assert "asked for leave" in answer.log
    silent = function.invoke("leave", status=0)
    assert silent.payload["errorMessage"].endswith("Runtime exited without providing a reason")


def test_an_exception_is_an_error_object(create: Create) -> None:
    """Raised in the handler, and while the module is loaded."""
    answer = create().invoke("fail")
    assert (answer.error, answer.payload["errorType"], answer.payload["errorMessage"]) == (
        "Unhandled",
        "ValueError",
        "as asked",
    )
    broken = create(Code={"ZipFile": zipped("import nowhere")}).invoke()
    assert (broken.error, broken.payload["errorType"]) == ("Unhandled", "Runtime.ImportModuleError")


def test_reserved_concurrency_throttles(create: Create, local_aws: LocalAws) -> None:
    """While the one allowed invocation runs: 429 for a call, patience for an event."""
    function = create(Timeout=30)

    def throttled() -> ClientError | None:
        try:
            function.invoke()
        except ClientError as error:
            return error
        return None

    def reserve(concurrency: int) -> None:
        local_aws.client("lambda").put_function_concurrency(
            FunctionName=function.name, ReservedConcurrentExecutions=concurrency
        )

    reserve(0)
    assert throttled()
    reserve(1)
    function.send("sleep", seconds=5)
    refusal = until(throttled).response
    assert refusal["Error"]["Code"] == "TooManyRequestsException"
    assert refusal["ResponseMetadata"]["HTTPStatusCode"] == 429
    ended = function.runs()
    function.send("nothing")
    until(lambda: function.runs() >= ended + 2)


def test_a_dry_run_runs_nothing(create: Create) -> None:
    """204, and no process."""
    function = create()
    answer = function.client().invoke(FunctionName=function.name, InvocationType="DryRun")
    assert answer["StatusCode"] == 204
    assert function.runs() == 0


def test_a_payload_must_be_json(create: Create) -> None:
    """Refused before anything runs."""
    function = create()
    with pytest.raises(ClientError) as caught:
        function.client().invoke(FunctionName=function.name, Payload=b"{no")
    assert caught.value.response["Error"]["Code"] == "InvalidRequestContentException"


# --- asynchronous invocations -------------------------------------------------------------------------------


@pytest.fixture
def queue(local_aws: LocalAws) -> str:
    name = f"queue-{uuid.uuid4().hex}"
    local_aws.client("sqs").create_queue(QueueName=name)
    return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"


def received(aws: LocalAws, queue: str) -> dict[str, Any]:
    url = f"{aws.endpoint}/{ACCOUNT}/{queue.rpartition(':')[2]}"

    def messages() -> list[dict[str, Any]]:
        asked = {"QueueUrl": url, "MessageAttributeNames": ["All"]}
        found: list[dict[str, Any]] = aws.client("sqs").receive_message(**asked).get("Messages", [])
        return found

    message: dict[str, Any] = until(messages)[0]
    return message


def test_a_failing_event_is_tried_three_times_then_lost_to_the_dead_letters(
    create: Create, local_aws: LocalAws, queue: str
) -> None:
    """Moto forgot the DeadLetterConfig. The message is the event, with the error in its attributes."""
    role = new_role(local_aws)
    allow(local_aws, role, {"Action": "sqs:SendMessage", "Resource": queue})
    function = create(role=role, DeadLetterConfig={"TargetArn": queue})
    shown = local_aws.client("lambda").get_function_configuration(FunctionName=function.name)
    assert shown["DeadLetterConfig"] == {"TargetArn": queue}
    payload = function.send("fail")
    message = received(local_aws, queue)
    assert message["Body"] == payload
    attributes = {name: attribute["StringValue"] for name, attribute in message["MessageAttributes"].items()}
    assert attributes["ErrorMessage"] == "as asked"
    assert attributes.keys() == {"RequestID", "ErrorCode", "ErrorMessage"}
    log = function.log_file.read_text()
    assert log.count(f"REPORT RequestId: {attributes['RequestID']}") == 3


def test_dead_letters_need_the_roles_right_to_send(create: Create, local_aws: LocalAws, queue: str) -> None:
    """Without it the event is lost, as in AWS; only the local AWS's log file has it."""
    function = create(DeadLetterConfig={"TargetArn": queue})
    settings = {"MaximumRetryAttempts": 0}
    local_aws.client("lambda").put_function_event_invoke_config(FunctionName=function.name, **settings)
    function.send("fail")
    until(lambda: function.log_file.exists() and "not delivered" in function.log_file.read_text())
    assert "sqs:sendmessage" in function.log_file.read_text().lower()


# --- logs, metrics, processes -------------------------------------------------------------------------------


def test_logs_need_the_roles_right_to_write_them(create: Create, local_aws: LocalAws) -> None:
    """Into the configured group, by the role's rights; the file in the home directory has them anyway."""
    role, group = new_role(local_aws), f"/custom/{uuid.uuid4().hex}"
    function = create(role=role, LoggingConfig={"LogGroup": group, "LogFormat": "Text"})
    function.invoke()
    logs = local_aws.client("logs")
    assert logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"] == []
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}:*"
    allow(local_aws, role, {"Action": ["logs:CreateLog*", "logs:PutLogEvents"], "Resource": arn})
    function.invoke()
    (stream,) = logs.describe_log_streams(logGroupName=group)["logStreams"]
    events = logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"])["events"]
    messages = [event["message"] for event in events]
    assert messages[0].startswith("START RequestId")
    assert "asked for nothing" in messages
    assert function.log_file.read_text().count("asked for nothing") == 2


def test_embedded_metrics_become_metrics(create: Create, local_aws: LocalAws) -> None:
    """The metrics that Powertools prints reach CloudWatch."""
    namespace = uuid.uuid4().hex
    create().invoke("measure", namespace=namespace)
    (metric,) = local_aws.client("cloudwatch").list_metrics(Namespace=namespace)["Metrics"]
    assert (metric["MetricName"], metric["Dimensions"]) == ("created", [{"Name": "of", "Value": "test"}])


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_deleted_function_leaves_no_process(create: Create, local_aws: LocalAws) -> None:
    """Nor what its process has started."""
    function = create()
    pids = [function.invoke().payload["pid"], function.invoke("child").payload]
    assert all(map(alive, pids))
    local_aws.client("lambda").delete_function(FunctionName=function.name)
    until(lambda: not any(map(alive, pids)))
    local_aws.client("lambda").create_function(  # for the fixture, which deletes it again
        FunctionName=function.name,
        Runtime="python3.13",
        Role=f"arn:aws:iam::{ACCOUNT}:role/{function.name}",
        Handler="app.handler",
        Code={"ZipFile": zipped()},
    )


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_no_process_outlives_the_server(tmp_path: Path, how: str) -> None:
    """Neither an orderly end nor a sudden one leaves a function running."""
    server = LocalAws.start(tmp_path)
    try:
        role = new_role(server)
        server.client("lambda").create_function(
            FunctionName=role,
            Runtime="python3.13",
            Role=f"arn:aws:iam::{ACCOUNT}:role/{role}",
            Handler="app.handler",
            Code={"ZipFile": zipped()},
            Timeout=10,
        )
        pid = Function(server, role).invoke().payload["pid"]
        assert alive(pid)
        if how == "killed":
            os.kill(int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]), 9)
    finally:
        server.stop()
    until(lambda: not alive(pid))
