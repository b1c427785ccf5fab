"""Elastic Beanstalk on this machine: bundles run behind real nginx, deployed by the real EB CLI."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests
from botocore.exceptions import ClientError

from testbed.servers.authority import Authority, KeyPair
from testbed.servers.localaws import LocalAws
from tests.polling import until
from tests.project import ROOT

HELLO = Path(__file__).parent / "bundles/hello"
REGION = "eu-west-1"
BRANCH = "Python 3.14 running on 64bit Amazon Linux 2023"
NEEDED = [
    "blinker",
    "click",
    "flask",
    "gunicorn",
    "itsdangerous",
    "jinja2",
    "markupsafe",
    "packaging",
    "werkzeug",
]
ENVIRONMENT = "aws:elasticbeanstalk:application:environment"
PROCESS = "aws:elasticbeanstalk:environment:process:default"


def processes_below(directory: Path) -> list[str]:
    """Command lines of live processes that name *directory* or work in it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            where = str((process / "cwd").readlink())
        except OSError:
            continue
        if str(directory) in line or where.startswith(str(directory)):
            found.append(line)
    return found


@dataclass(frozen=True)
class Aws:
    """A running local AWS, and the certificate of its load balancers."""

    server: LocalAws
    ca: Path

    @property
    def environ(self) -> dict[str, str]:
        return {**self.server.environment(), "AWS_DEFAULT_REGION": REGION, "AWS_REGION": REGION}

    def client(self, service: str) -> Any:
        return self.server.client(service, REGION)

    def platform(self) -> str:
        """The ARN of the branch's recommended version."""
        filters = [{"Type": "PlatformBranchName", "Operator": "=", "Values": [BRANCH]}]
        listed = self.client("elasticbeanstalk").list_platform_versions(Filters=filters)
        arns: list[str] = [
            each["PlatformArn"]
            for each in listed["PlatformSummaryList"]
            if each["PlatformLifecycleState"] == "Recommended"
        ]
        return arns[0]

    def version(self, label: str, bundle: bytes) -> str:
        eb = self.client("elasticbeanstalk")
        bucket = eb.create_storage_location()["S3Bucket"]
        self.client("s3").put_object(Bucket=bucket, Key=f"{label}.zip", Body=bundle)
        source = {"S3Bucket": bucket, "S3Key": f"{label}.zip"}
        eb.create_application_version(
            ApplicationName="demo", VersionLabel=label, SourceBundle=source, AutoCreateApplication=True
        )
        return label

    def describe(self, name: str) -> dict[str, Any]:
        eb = self.client("elasticbeanstalk")
        found: dict[str, Any] = eb.describe_environments(EnvironmentNames=[name])["Environments"][-1]
        return found

    def ready(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = until(lambda: (e := self.describe(name))["Status"] == "Ready" and e)
        return found

    def create(self, name: str, label: str, options: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
        settings = [
            {"Namespace": space, "OptionName": option, "Value": value}
            for space, named in options.items()
            for option, value in named.items()
        ]
        self.client("elasticbeanstalk").create_environment(
            ApplicationName="demo",
            EnvironmentName=name,
            VersionLabel=label,
            PlatformArn=self.platform(),
            OptionSettings=settings,
        )
        return self.ready(name)

    def deploy(self, name: str, label: str) -> dict[str, Any]:
        self.client("elasticbeanstalk").update_environment(EnvironmentName=name, VersionLabel=label)
        return self.ready(name)

    def errors(self, name: str) -> str:
        events = self.client("elasticbeanstalk").describe_events(EnvironmentName=name, Severity="ERROR")[
            "Events"
        ]
        return "\n".join(event["Message"] for event in events)

    def get(self, environment: Mapping[str, Any], path: str = "/", **options: Any) -> requests.Response:
        options.setdefault("verify", str(self.ca))
        return requests.get(f"https://{environment['CNAME']}{path}", timeout=30, **options)


def bundle(version: str, without: str = "", **changed: str) -> bytes:
    """The fixture app as a zip; *changed* maps paths with `/` written `__` to other contents."""
    lock = (ROOT / "eb_app/requirements.txt").read_text()
    blocks = re.split(r"(?m)^(?=[a-z])", lock)
    files = {str(path.relative_to(HELLO)): path for path in HELLO.rglob("*") if path.is_file()}
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, path in files.items():
            if name != without and "__pycache__" not in name:
                archive.write(path, name)
        archive.writestr("VERSION", version)
        archive.writestr(
            "requirements.txt", "".join(each for each in blocks if each.split("==")[0] in NEEDED)
        )
        for name, content in changed.items():
            archive.writestr(name.replace("__", "/"), content)
    return made.getvalue()


@dataclass(frozen=True)
class Shared:
    """A shared load balancer, a role, and the options of an environment that uses them."""

    load_balancer: str
    listener: str
    options: dict[str, dict[str, str]]


def share(aws: Aws, pair: KeyPair) -> Shared:
    ec2, elb, iam = aws.client("ec2"), aws.client("elbv2"), aws.client("iam")
    subnets = [each["SubnetId"] for each in ec2.describe_subnets()["Subnets"]][:2]
    arn = elb.create_load_balancer(Name="demo-edge", Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"]
    imported = aws.client("acm").import_certificate(
        Certificate=pair.certificate.read_bytes(), PrivateKey=pair.key.read_bytes()
    )["CertificateArn"]
    listener = elb.create_listener(
        LoadBalancerArn=arn,
        Port=443,
        Protocol="HTTPS",
        SslPolicy="ELBSecurityPolicy-TLS13-1-3-2021-06",
        Certificates=[{"CertificateArn": imported}],
        DefaultActions=[{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}],
    )["Listeners"][0]["ListenerArn"]
    hsts = "routing.http.response.strict_transport_security.header_value"
    elb.modify_listener_attributes(
        ListenerArn=listener, Attributes=[{"Key": hsts, "Value": "max-age=31536000"}]
    )
    elb.create_listener(
        LoadBalancerArn=arn,
        Port=80,
        Protocol="HTTP",
        DefaultActions=[
            {"Type": "redirect", "RedirectConfig": {"Protocol": "HTTPS", "StatusCode": "HTTP_301"}}
        ],
    )
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    iam.create_role(RoleName="demo-instance", AssumeRolePolicyDocument=document)
    iam.create_instance_profile(InstanceProfileName="demo-instance")
    iam.add_role_to_instance_profile(InstanceProfileName="demo-instance", RoleName="demo-instance")
    return Shared(
        arn,
        listener,
        {
            "aws:elasticbeanstalk:environment": {
                "LoadBalancerType": "application",
                "LoadBalancerIsShared": "true",
            },
            "aws:elbv2:loadbalancer": {"SharedLoadBalancer": arn},
            "aws:elbv2:listener:443": {"Rules": "default,own"},
            "aws:elbv2:listenerrule:own": {"HostHeaders": "app.example.com"},
            "aws:autoscaling:launchconfiguration": {"IamInstanceProfile": "demo-instance"},
            PROCESS: {"Port": "443", "Protocol": "HTTPS", "HealthCheckPath": "/healthz"},
            ENVIRONMENT: {"GREETING": "from the environment"},
        },
    )


def service_role(aws: Aws) -> str:
    """Make a role as Beanstalk's documentation has it, which Beanstalk writes into its bucket with."""
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "elasticbeanstalk.amazonaws.com"},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"sts:ExternalId": "elasticbeanstalk"}},
    }
    iam, name = aws.client("iam"), "demo-service"
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)
    policy = "arn:aws:iam::aws:policy/AWSElasticBeanstalkManagedUpdatesCustomerRolePolicy"
    iam.attach_role_policy(RoleName=name, PolicyArn=policy)
    return name


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Aws]:
    server = LocalAws.start(tmp_path_factory.mktemp("aws"))
    yield Aws(server, authority.ca_file)
    server.stop()
    assert not processes_below(server.home)


@pytest.fixture(scope="module")
def shared(aws: Aws, authority: Authority) -> Shared:
    return share(aws, authority.issue("load-balancer"))


@pytest.fixture(scope="module")
def environment(aws: Aws, shared: Shared) -> dict[str, Any]:
    """An environment behind the shared load balancer, with the fixture app's first version."""
    made = aws.create("demo-app", aws.version("v1", bundle("one")), shared.options)
    assert made["Health"] == "Green", aws.errors("demo-app")
    return made


def test_a_bundle_runs_behind_the_load_balancer_with_tls(aws: Aws, environment: dict[str, Any]) -> None:
    answer = aws.get(environment)
    headers = answer.json()["headers"]
    assert answer.json()["version"] == "one"
    assert headers["X-Forwarded-Proto"] == "https"
    assert headers["X-Forwarded-For"].startswith("127.0.0.1, ")
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"


def test_the_listener_accepts_only_the_tls_versions_of_its_policy(environment: dict[str, Any]) -> None:
    def connects(version: str) -> bool:
        command = ["openssl", "s_client", "-connect", environment["CNAME"], version]
        return subprocess.run(command, input=b"", capture_output=True, check=False).returncode == 0

    assert connects("-tls1_3")
    assert not connects("-tls1_2")


def test_a_host_without_a_rule_gets_the_listeners_default_action(
    aws: Aws, environment: dict[str, Any]
) -> None:
    assert aws.get(environment, headers={"Host": "elsewhere.example.com"}).status_code == 404
    assert aws.get(environment, headers={"Host": "app.example.com"}).status_code == 200


def test_plain_http_is_redirected(environment: dict[str, Any]) -> None:
    answer = requests.get(f"http://{environment['CNAME']}/x", allow_redirects=False, timeout=10)
    assert (answer.status_code, answer.headers["Location"]) == (301, f"https://{environment['CNAME']}/x")


def test_hooks_and_extensions_ran_in_the_platforms_order(aws: Aws, environment: dict[str, Any]) -> None:
    answer_body = aws.get(environment).json()
    assert answer_body["commands"] == ["first:hi", "second", "predeploy:staging", "postdeploy:current"]
    assert answer_body["greeting"] == "from the environment"  # the API's setting wins over .ebextensions
    assert "HOUSE_RULE" in answer_body["environment"]
    assert not {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} & set(answer_body["environment"])


def test_the_app_has_its_instance_profiles_credentials(aws: Aws, environment: dict[str, Any]) -> None:
    answer_body = aws.get(environment, "/credentials").json()
    sts = boto3.client(
        "sts",
        region_name=REGION,
        endpoint_url=aws.server.endpoint,
        aws_access_key_id=answer_body["AccessKeyId"],
        aws_secret_access_key=answer_body["SecretAccessKey"],
        aws_session_token=answer_body["Token"],
    )
    assert ":assumed-role/demo-instance/i-" in sts.get_caller_identity()["Arn"]


def test_the_shared_load_balancer_has_a_rule_and_a_target_group(
    aws: Aws, shared: Shared, environment: dict[str, Any]
) -> None:
    elb = aws.client("elbv2")
    rules = elb.describe_rules(ListenerArn=shared.listener)["Rules"]
    hosts = [
        value for rule in rules for each in rule["Conditions"] for value in each["HostHeaderConfig"]["Values"]
    ]
    assert hosts == [environment["CNAME"], "app.example.com"]


@pytest.mark.parametrize(
    ("label", "changed", "message"),
    [
        ("exits", {"application.py": "raise ImportError('cannot go on')\n"}, "cannot go on"),
        ("nginx", {".platform__nginx__conf.d__bad.conf": "nonsense on;\n"}, 'unknown directive "nonsense"'),
        ("hook", {".platform__hooks__predeploy__99.sh": "#!/bin/sh\necho no luck\nexit 3\n"}, "no luck"),
        ("path", {"..__outside": "x"}, "unsafe path"),
        ("yaml", {".ebextensions__02.config": "files: [\n"}, "02.config is invalid"),
    ],
)
def test_a_broken_bundle_leaves_the_old_version_serving(
    aws: Aws, environment: dict[str, Any], label: str, changed: dict[str, str], message: str
) -> None:
    serving = aws.describe("demo-app")["VersionLabel"]
    without = "application.py" if "application.py" in changed else ""
    after = aws.deploy("demo-app", aws.version(label, bundle(label, without, **changed)))
    assert message in aws.errors("demo-app")
    assert (after["VersionLabel"], after["Health"]) == (serving, "Green")
    assert aws.get(environment).status_code == 200


def test_a_deployment_under_load_loses_no_request(aws: Aws, environment: dict[str, Any]) -> None:
    """Keep-alive clients and slow requests, across two deployments."""
    stop, lost = threading.Event(), list[str]()
    served: set[str] = set()

    def load(path: str) -> None:
        with requests.Session() as session:
            while not stop.is_set():
                try:
                    url = f"https://{environment['CNAME']}{path}"
                    answer = session.get(url, timeout=30, verify=str(aws.ca))
                    answer.raise_for_status()
                    if path == "/":
                        served.add(answer.json()["version"])
                except requests.RequestException as error:
                    lost.append(repr(error))

    threads = [threading.Thread(target=load, args=(path,)) for path in ("/", "/", "/", "/slow?seconds=1.5")]
    for thread in threads:
        thread.start()
    try:
        for label in ("v2", "v3"):
            assert aws.deploy("demo-app", aws.version(label, bundle(label)))["VersionLabel"] == label
            until(lambda: aws.describe("demo-app")["VersionLabel"] in served or lost)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not lost
    assert {"v2", "v3"} <= served


def test_a_request_longer_than_the_deregistration_delay_is_cut_off(aws: Aws, shared: Shared) -> None:
    """The old instance's requests have the delay of its target group, and no second more."""
    process = {**shared.options[PROCESS], "DeregistrationDelay": "4"}
    options = {**shared.options, PROCESS: process, "aws:elbv2:listener:443": {"Rules": "default"}}
    made = aws.create("drain-app", aws.version("d1", bundle("d1")), options)
    short, long = list[int](), list[int]()

    def ask(seconds: float, statuses: list[int]) -> None:
        statuses.append(aws.get(made, f"/slow?seconds={seconds}").status_code)

    def deployments() -> int:
        found = aws.client("elasticbeanstalk").describe_events(EnvironmentName="drain-app")["Events"]
        return sum(event["Message"].startswith("Instance deployment completed") for event in found)

    aws.client("elasticbeanstalk").update_environment(
        EnvironmentName="drain-app", VersionLabel=aws.version("d2", bundle("d2"))
    )
    asking: list[threading.Thread] = []
    while deployments() < 2:  # both kinds are in progress when the new instance takes over
        for request in ((1.5, short), (8.0, long)):
            asking.append(threading.Thread(target=ask, args=request))
            asking[-1].start()
        time.sleep(1)
    for thread in asking:
        thread.join()
    assert set(short) == {200}
    assert 502 in long
    aws.client("elasticbeanstalk").terminate_environment(EnvironmentName="drain-app")


def test_variables_from_secrets_are_read_at_boot_only(aws: Aws, shared: Shared) -> None:
    """With the instance profile's rights; a later version arrives with the next deployment."""
    manager = aws.client("secretsmanager")
    secret = manager.create_secret(Name="greetings", SecretString=json.dumps({"first": "hello"}))["ARN"]
    options = {
        "aws:autoscaling:launchconfiguration": shared.options["aws:autoscaling:launchconfiguration"],
        "aws:elasticbeanstalk:application:environmentsecrets": {"GREETING": f"{secret}:first"},
        PROCESS: {"HealthCheckPath": "/healthz"},
    }
    extension = "container_commands: {01: {command: touch commands.txt}}"  # without a GREETING of its own
    own = {".ebextensions__01_app.config": extension}
    label = aws.version("s1", bundle("s1", ".ebextensions/01_app.config", **own))
    aws.create("secret-app", label, options)
    assert "GREETING could not be read" in aws.errors("secret-app")
    statement = {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": secret}
    aws.client("iam").put_role_policy(
        RoleName="demo-instance",
        PolicyName="greetings",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )

    def greeting() -> str:
        return str(requests.get(f"http://{made['CNAME']}/", timeout=10).json()["greeting"])

    made = aws.deploy("secret-app", label)
    assert greeting() == "hello"
    manager.put_secret_value(SecretId=secret, SecretString=json.dumps({"first": "good bye"}))
    assert greeting() == "hello"
    aws.deploy("secret-app", label)
    assert greeting() == "good bye"
    aws.client("elasticbeanstalk").terminate_environment(EnvironmentName="secret-app")


def eb(aws: Aws, directory: Path, *arguments: str) -> str:
    """Run the real EB CLI."""
    environ = {**os.environ, **aws.environ, "HOME": str(directory)}
    command = [str(Path(sys.executable).with_name("eb")), *arguments]
    ended = subprocess.run(
        command, cwd=directory, env=environ, text=True, capture_output=True, check=False, timeout=300
    )
    print(f"$ eb {' '.join(arguments)}\n{ended.stdout}{ended.stderr}")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.mark.usefixtures("shared")  # whose role the instances get
def test_the_eb_cli_works_from_init_to_terminate(aws: Aws, tmp_path: Path) -> None:
    project = tmp_path / "project"
    with zipfile.ZipFile(io.BytesIO(bundle("cli-one"))) as archive:
        archive.extractall(project)
    eb(
        aws,
        project,
        "init",
        "clidemo",
        "--platform",
        BRANCH,
        "-r",
        REGION,
    )
    service = service_role(aws)
    created = eb(aws, project, "create", "cli-app", "-ip", "demo-instance", "--service-role", service)
    assert "Successfully launched environment: cli-app" in created
    eb(aws, project, "use", "cli-app")

    def get() -> dict[str, Any]:
        answer_body: dict[str, Any] = requests.get(
            f"http://{aws.describe('cli-app')['CNAME']}/", timeout=10
        ).json()
        return answer_body

    assert get()["version"] == "cli-one"
    (project / "VERSION").write_text("cli-two")
    assert "Environment update completed successfully." in eb(aws, project, "deploy", "--label", "second")
    assert get()["version"] == "cli-two"
    status = eb(aws, project, "status")
    assert "Deployed Version: second" in status
    assert "Health: Green" in status
    assert "Ok" in eb(aws, project, "health")
    assert "createEnvironment is starting." in eb(aws, project, "events")
    eb(aws, project, "setenv", "GREETING=from the command line")
    assert get()["greeting"] == "from the command line"
    assert "GREETING = from the command line" in eb(aws, project, "printenv")
    logs = eb(aws, project, "logs")
    assert "Running hook .platform/hooks/prebuild/10_certificate.sh" in logs
    assert "a line of its own" in logs
    assert "cli-app" in eb(aws, project, "list")
    eb(aws, project, "terminate", "--force")
    assert aws.describe("cli-app")["Status"] == "Terminated"
    with pytest.raises(requests.ConnectionError):
        get()


def test_an_environment_without_a_version_runs_the_sample_application(aws: Aws) -> None:
    client = aws.client("elasticbeanstalk")
    client.create_application(ApplicationName="empty")
    client.create_environment(
        ApplicationName="empty", EnvironmentName="empty-app", PlatformArn=aws.platform()
    )
    made = aws.ready("empty-app")
    assert (made["VersionLabel"], made["Health"]) == ("Sample Application", "Green")
    assert "Congratulations" in requests.get(f"http://{made['CNAME']}/any", timeout=10).text
    client.delete_application(ApplicationName="empty", TerminateEnvByForce=True)
    assert aws.describe("empty-app")["Status"] == "Terminated"


def test_termination_removes_the_rule_and_the_target_group(aws: Aws, shared: Shared) -> None:
    elb = aws.client("elbv2")

    def made() -> set[str]:
        groups = elb.describe_target_groups()["TargetGroups"]
        rules = elb.describe_rules(ListenerArn=shared.listener)["Rules"]
        return {each["TargetGroupArn"] for each in groups} | {each["RuleArn"] for each in rules}

    before = made()
    options = {**shared.options, "aws:elbv2:listenerrule:own": {"HostHeaders": "second.example.com"}}
    aws.create("second-app", aws.version("t1", bundle("t1")), options)
    assert len(made() - before) == 3  # the target group, and the rules `default` and `own`
    aws.client("elasticbeanstalk").terminate_environment(EnvironmentName="second-app")
    until(lambda: aws.describe("second-app")["Status"] == "Terminated")
    assert made() == before


def test_a_killed_server_leaves_no_process(tmp_path: Path) -> None:
    server = LocalAws.start(tmp_path)
    running = Aws(server, tmp_path)
    try:
        running.create("killed-app", running.version("k1", bundle("k1")), {})
        lines = "\n".join(processes_below(server.home))
        assert "gunicorn" in lines
        assert lines.count("nginx") >= 2
    finally:
        server.process.popen.kill()
        server.stop()
    until(lambda: not processes_below(server.home), seconds=20)


@pytest.mark.parametrize(
    ("types", "architectures", "refused"),
    [
        ("t4g.small", None, "t4g.small is arm64; the environment supports x86_64"),
        ("a1.medium", None, "a1.medium is arm64"),
        ("t4g.small", "x86_64", "t4g.small is arm64"),
        ("t3.small", "arm64", "t3.small is x86_64"),
    ],
)
def test_instance_types_of_an_architecture_that_is_not_supported_are_refused(
    aws: Aws, types: str, architectures: str | None, refused: str
) -> None:
    options = {"aws:ec2:instances": {"InstanceTypes": types}}
    if architectures:
        options["aws:ec2:instances"]["SupportedArchitectures"] = architectures
    label = f"arch-{types}-{architectures}"
    with pytest.raises(ClientError, match=refused):
        aws.create("arch-app", aws.version(label, b""), options)


def test_beanstalk_can_be_told_to_make_only_the_default_rule(aws: Aws, shared: Shared) -> None:
    elb = aws.client("elbv2")

    def hosts() -> set[str]:
        rules = elb.describe_rules(ListenerArn=shared.listener)["Rules"]
        return {
            host
            for rule in rules
            for condition in rule["Conditions"]
            for host in condition["HostHeaderConfig"]["Values"]
        }

    before = hosts()
    aws.server.tell(listener_rules="default")
    options = {**shared.options, "aws:elbv2:listenerrule:own": {"HostHeaders": "third.example.com"}}
    made = aws.create("third-app", aws.version("r1", bundle("r1")), options)
    aws.server.tell()
    assert hosts() - before == {made["CNAME"]}
    assert aws.get(made, headers={"Host": "third.example.com"}).status_code == 404
    aws.client("elasticbeanstalk").terminate_environment(EnvironmentName="third-app")
    until(lambda: aws.describe("third-app")["Status"] == "Terminated")
