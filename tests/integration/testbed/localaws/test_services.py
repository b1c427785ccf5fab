"""The local AWS's corrections of moto's Secrets Manager, STS and EventBridge."""

from __future__ import annotations

import base64
import io
import json
import uuid
import zipfile
from typing import Any

import hvac
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from testbed.servers.localaws import REGION, LocalAws
from tests.conftest import Unsealed
from tests.federation import disable_federation, enable_federation
from tests.polling import until

ACCOUNT = "123456789012"
OTHER_REGION = "eu-west-1"


def client(aws: LocalAws, service: str, region: str = REGION) -> Any:
    """Return the operator's client, without boto3's validation of parameters."""
    config = Config(retries={"max_attempts": 0}, parameter_validation=False)
    return aws.session(region).client(service, endpoint_url=aws.endpoint, config=config)  # type: ignore[call-overload]


@pytest.fixture
def secrets(local_aws: LocalAws) -> Any:
    return client(local_aws, "secretsmanager")


@pytest.fixture
def name() -> str:
    return f"test/{uuid.uuid4().hex}"


def token(number: int) -> str:
    return str(uuid.UUID(int=number))


def refused(call: Any, /, **parameters: Any) -> tuple[str, str]:
    """Assert that *call* is refused; return code and message."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


# --- Secrets Manager: limits --------------------------------------------------------------------------------


def test_a_value_has_at_most_65536_bytes(secrets: Any, name: str) -> None:
    """Moto takes any size, and an empty string; what counts is bytes, not characters."""
    secrets.create_secret(Name=name, SecretString="x" * 65536)
    for call, target in (
        (secrets.create_secret, {"Name": name + "2"}),
        (secrets.put_secret_value, {"SecretId": name}),
    ):
        for value in ("x" * 65537, "é" * 32769, ""):
            code, message = refused(call, **target, SecretString=value)
            assert (code, "secretString" in message) == ("ValidationException", True)
    code, _ = refused(secrets.put_secret_value, SecretId=name, SecretBinary=b"x" * 65537)
    assert code == "ValidationException"


@pytest.mark.parametrize("wrong", ["with space", "ümlaut", "semi;colon", "", "x" * 513])
def test_a_name_has_few_characters(secrets: Any, wrong: str) -> None:
    """Moto takes any name."""
    code, message = refused(secrets.create_secret, Name=wrong, SecretString="x")
    assert (code, message.startswith("Invalid name.")) == ("ValidationException", True)


@pytest.mark.parametrize(
    "tags",
    [
        {"k" * 129: ""},
        {"k": "v" * 257},
        {"aws:mine": "v"},
        {"k;": "v"},
        {f"k{number}": "" for number in range(51)},
    ],
    ids=["long key", "long value", "reserved key", "character", "number"],
)
def test_tags_have_limits(secrets: Any, name: str, tags: dict[str, str]) -> None:
    """Moto takes any tags, on creation and later."""
    listed = [{"Key": key, "Value": value} for key, value in tags.items()]
    code, _ = refused(secrets.create_secret, Name=name, SecretString="x", Tags=listed)
    assert code == "InvalidParameterException"
    secrets.create_secret(Name=name, SecretString="x", Tags=[{"Key": "k" * 128, "Value": "v" * 256}])
    assert refused(secrets.tag_resource, SecretId=name, Tags=listed)[0] == "InvalidParameterException"


def test_existing_tags_count_for_the_limit_of_fifty(secrets: Any, name: str) -> None:
    """Replacing a tag is not adding one."""
    tags = [{"Key": f"k{number}", "Value": ""} for number in range(50)]
    secrets.create_secret(Name=name, SecretString="x", Tags=tags)
    secrets.tag_resource(SecretId=name, Tags=[{"Key": "k0", "Value": "new"}])
    assert refused(secrets.tag_resource, SecretId=name, Tags=[{"Key": "one more", "Value": ""}])


def test_a_token_has_32_to_64_characters(secrets: Any, name: str) -> None:
    """Moto has this right."""
    for wrong in ("x" * 31, "x" * 65):
        code, _ = refused(secrets.create_secret, Name=name, SecretString="x", ClientRequestToken=wrong)
        assert code == "InvalidParameterException"


# --- Secrets Manager: deletion ------------------------------------------------------------------------------

REFUSED_WHEN_DELETED: dict[str, dict[str, Any]] = {
    "get_secret_value": {},
    "put_secret_value": {"SecretString": "x"},
    "update_secret": {"SecretString": "x"},
    "tag_resource": {"Tags": [{"Key": "k", "Value": "v"}]},
    "untag_resource": {"TagKeys": ["k"]},
    "update_secret_version_stage": {"VersionStage": "mine"},
    "put_resource_policy": {"ResourcePolicy": "{}"},
    "replicate_secret_to_regions": {"AddReplicaRegions": [{"Region": OTHER_REGION}]},
    "delete_secret": {},
}


@pytest.mark.parametrize("operation", REFUSED_WHEN_DELETED)
def test_a_secret_pending_deletion_refuses_operations(secrets: Any, name: str, operation: str) -> None:
    """Moto writes, tags and replicates such a secret."""
    secrets.create_secret(Name=name, SecretString="x")
    secrets.delete_secret(SecretId=name)
    parameters = REFUSED_WHEN_DELETED[operation]
    assert refused(getattr(secrets, operation), SecretId=name, **parameters)[0] == "InvalidRequestException"


def test_a_name_pending_deletion_is_taken_until_it_is_restored(secrets: Any, name: str) -> None:
    """Moto answers ResourceExistsException. The restored secret has its ARN and value."""
    arn = secrets.create_secret(Name=name, SecretString="x")["ARN"]
    secrets.delete_secret(SecretId=name, RecoveryWindowInDays=7)
    assert refused(secrets.create_secret, Name=name, SecretString="y") == (
        "InvalidRequestException",
        "You can't create this secret because a secret with this name is already scheduled for deletion.",
    )
    named = {"Filters": [{"Key": "name", "Values": [name]}]}
    assert secrets.list_secrets(**named)["SecretList"] == []
    assert len(secrets.list_secrets(**named, IncludePlannedDeletion=True)["SecretList"]) == 1
    assert secrets.restore_secret(SecretId=name)["ARN"] == arn
    assert secrets.get_secret_value(SecretId=name)["SecretString"] == "x"


# --- Secrets Manager: versions ------------------------------------------------------------------------------


@pytest.fixture
def two_versions(secrets: Any, name: str) -> str:
    secrets.create_secret(Name=name, SecretString="one", ClientRequestToken=token(1))
    secrets.put_secret_value(SecretId=name, SecretString="two", ClientRequestToken=token(2))
    return name


def test_awscurrent_is_moved_but_never_removed(secrets: Any, two_versions: str) -> None:
    """Moto removes it, and loses it in a refused move; AWS refuses both and keeps it."""
    move = {"SecretId": two_versions, "VersionStage": "AWSCURRENT", "RemoveFromVersionId": token(2)}
    code, message = refused(secrets.update_secret_version_stage, **move)
    assert (code, "can't be completely removed" in message) == ("InvalidParameterException", True)
    assert refused(secrets.update_secret_version_stage, **move, MoveToVersionId=token(9))
    found = secrets.describe_secret(SecretId=two_versions)["VersionIdsToStages"]
    assert found == {token(1): ["AWSPREVIOUS"], token(2): ["AWSCURRENT"]}


def test_a_moved_stage_is_read_and_replaced_by_the_next_put(secrets: Any, two_versions: str) -> None:
    """After a move moto reads the old version, and the next put makes a second AWSCURRENT."""
    secrets.update_secret_version_stage(
        SecretId=two_versions,
        VersionStage="AWSCURRENT",
        RemoveFromVersionId=token(2),
        MoveToVersionId=token(1),
    )
    assert secrets.get_secret_value(SecretId=two_versions)["SecretString"] == "one"
    assert secrets.get_secret_value(SecretId=two_versions, VersionStage="AWSPREVIOUS")["VersionId"] == token(
        2
    )
    secrets.put_secret_value(SecretId=two_versions, SecretString="three", ClientRequestToken=token(3))
    found = secrets.describe_secret(SecretId=two_versions)["VersionIdsToStages"]
    assert found == {token(1): ["AWSPREVIOUS"], token(3): ["AWSCURRENT"]}


def test_a_repeated_put_changes_nothing(secrets: Any, two_versions: str) -> None:
    """The same token and value is a no-op, also once the version is not current; another value is refused."""
    secrets.put_secret_value(SecretId=two_versions, SecretString="one", ClientRequestToken=token(1))
    assert secrets.get_secret_value(SecretId=two_versions)["SecretString"] == "two"
    again = {"SecretId": two_versions, "ClientRequestToken": token(1)}
    assert refused(secrets.put_secret_value, **again, SecretString="other")[0] == "ResourceExistsException"
    assert refused(secrets.update_secret, **again, SecretString="one")[0] == "ResourceExistsException"


def test_a_version_without_a_stage_is_deprecated(secrets: Any, two_versions: str) -> None:
    """DescribeSecret and lists leave it out unless requested; moto shows it without stages."""
    secrets.put_secret_value(SecretId=two_versions, SecretString="three", ClientRequestToken=token(3))
    labelled = {token(2): ["AWSPREVIOUS"], token(3): ["AWSCURRENT"]}
    assert secrets.describe_secret(SecretId=two_versions)["VersionIdsToStages"] == labelled
    named = {"Filters": [{"Key": "name", "Values": [two_versions]}]}
    assert secrets.list_secrets(**named)["SecretList"][0]["SecretVersionsToStages"] == labelled

    def listed(**more: Any) -> set[str]:
        answer = secrets.list_secret_version_ids(SecretId=two_versions, **more)
        return {version["VersionId"] for version in answer["Versions"]}

    assert listed() == {token(2), token(3)}
    assert listed(IncludeDeprecated=True) == {token(1), token(2), token(3)}


def test_a_list_has_a_hundred_secrets_a_page(secrets: Any) -> None:
    """Moto has this right."""
    prefix = uuid.uuid4().hex
    for number in range(101):
        secrets.create_secret(Name=f"{prefix}/{number}", SecretString="x")
    named = {"Filters": [{"Key": "name", "Values": [prefix]}]}
    first = secrets.list_secrets(**named)
    rest = secrets.list_secrets(**named, NextToken=first["NextToken"])
    assert (len(first["SecretList"]), len(rest["SecretList"])) == (100, 1)


# --- Secrets Manager: keys, policies, replicas --------------------------------------------------------------


def test_a_key_must_exist_and_be_enabled(local_aws: LocalAws, secrets: Any, name: str) -> None:
    """Moto does not check the key."""
    kms = client(local_aws, "kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    secrets.create_secret(Name=name, SecretString="x", KmsKeyId=key)

    def unusable() -> None:
        assert refused(secrets.get_secret_value, SecretId=name)[0] == "DecryptionFailure"
        assert refused(secrets.put_secret_value, SecretId=name, SecretString="y")[0] == "EncryptionFailure"
        new = {"Name": name + "2", "SecretString": "x", "KmsKeyId": key}
        assert refused(secrets.create_secret, **new)[0] == "EncryptionFailure"

    kms.disable_key(KeyId=key)
    unusable()
    kms.enable_key(KeyId=key)
    assert secrets.get_secret_value(SecretId=name)["SecretString"] == "x"
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    unusable()
    missing = {"Name": name + "3", "SecretString": "x", "KmsKeyId": "alias/missing"}
    assert refused(secrets.create_secret, **missing)[0] == "EncryptionFailure"


def test_a_public_policy_can_be_blocked(secrets: Any, name: str) -> None:
    """Moto ignores BlockPublicPolicy."""
    secrets.create_secret(Name=name, SecretString="x")
    statement = {"Effect": "Allow", "Principal": "*", "Action": "secretsmanager:*", "Resource": "*"}
    public = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    parameters = {"SecretId": name, "BlockPublicPolicy": True}
    assert (
        refused(secrets.put_resource_policy, **parameters, ResourcePolicy=public)[0]
        == "PublicPolicyException"
    )
    code, _ = refused(secrets.put_resource_policy, **parameters, ResourcePolicy="{no")
    assert code == "MalformedPolicyDocumentException"


def test_replicas_follow_their_primary_and_can_become_independent(
    local_aws: LocalAws, secrets: Any, name: str
) -> None:
    """Moto keeps replicas, but has no StopReplicationToReplica."""
    replica = client(local_aws, "secretsmanager", OTHER_REGION)
    region = {"AddReplicaRegions": [{"Region": OTHER_REGION}]}
    secrets.create_secret(Name=name, SecretString="x", **region)
    secrets.put_secret_value(SecretId=name, SecretString="y")
    assert replica.get_secret_value(SecretId=name)["SecretString"] == "y"
    assert (
        refused(replica.put_secret_value, SecretId=name, SecretString="z")[0] == "InvalidParameterException"
    )
    assert refused(secrets.delete_secret, SecretId=name)[0] == "InvalidParameterException"
    replica.stop_replication_to_replica(SecretId=name)
    replica.put_secret_value(SecretId=name, SecretString="z")
    assert secrets.get_secret_value(SecretId=name)["SecretString"] == "y"
    secrets.delete_secret(SecretId=name)
    assert replica.get_secret_value(SecretId=name)["SecretString"] == "z"

    second = name + "2"
    secrets.create_secret(Name=second, SecretString="x", **region)
    secrets.remove_regions_from_replication(SecretId=second, RemoveReplicaRegions=[OTHER_REGION])
    code, message = refused(secrets.delete_secret, SecretId=second)  # the removal has only begun
    assert (code, "still has replica regions" in message) == ("InvalidParameterException", True)
    assert refused(replica.get_secret_value, SecretId=second)[0] == "ResourceNotFoundException"
    secrets.delete_secret(SecretId=second)


# --- STS ----------------------------------------------------------------------------------------------------


@pytest.fixture
def federation_setting(local_aws: LocalAws) -> Any:
    """The account's setting of outbound web identity federation, restored for the tests of other files."""
    iam = client(local_aws, "iam")
    enabled = disable_federation(iam)
    yield iam
    if enabled:
        enable_federation(iam)
    else:
        disable_federation(iam)


@pytest.fixture
def federation(federation_setting: Any) -> str:
    """Outbound web identity federation, switched on for one test."""
    return enable_federation(federation_setting)


def assumed(aws: LocalAws) -> tuple[str, Any]:
    """Return the ARN of a new role that can request tokens, and an STS client of one of its sessions."""
    iam, name = client(aws, "iam"), f"role-{uuid.uuid4().hex[:12]}"
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    allow = {"Effect": "Allow", "Action": "sts:GetWebIdentityToken", "Resource": "*"}
    documents = [json.dumps({"Version": "2012-10-17", "Statement": [one]}) for one in (trust, allow)]
    arn = iam.create_role(
        RoleName=name, AssumeRolePolicyDocument=documents[0], Tags=[{"Key": "team", "Value": "bank"}]
    )["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="tokens", PolicyDocument=documents[1])
    found = client(aws, "sts").assume_role(RoleArn=arn, RoleSessionName="test", DurationSeconds=900)[
        "Credentials"
    ]
    sts = aws.session().client(
        "sts",
        endpoint_url=aws.endpoint,
        aws_access_key_id=found["AccessKeyId"],
        aws_secret_access_key=found["SecretAccessKey"],
        aws_session_token=found["SessionToken"],
    )
    return arn, sts


def test_tokens_need_the_accounts_setting(local_aws: LocalAws, federation_setting: Any) -> None:
    """Moto has no such operation; in AWS it is off until switched on."""
    assert refused(federation_setting.get_outbound_web_identity_federation_info)[0] == "FeatureDisabled"
    assert refused(federation_setting.disable_outbound_web_identity_federation)[0] == "FeatureDisabled"
    parameters = {"Audience": ["vault"], "SigningAlgorithm": "RS256"}
    code, _ = refused(client(local_aws, "sts").get_web_identity_token, **parameters)
    assert code == "OutboundWebIdentityFederationDisabledException"
    enable_federation(federation_setting)
    assert refused(federation_setting.enable_outbound_web_identity_federation)[0] == "FeatureEnabled"


def test_a_token_names_the_role(local_aws: LocalAws, federation: str) -> None:
    """Claims as AWS documents them; not valid longer than requested, nor than the session."""
    arn, sts = assumed(local_aws)
    answer = sts.get_web_identity_token(
        Audience=["vault"], SigningAlgorithm="ES384", DurationSeconds=60, Tags=[{"Key": "job", "Value": "1"}]
    )
    part = answer["WebIdentityToken"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    about = claims["https://sts.amazonaws.com/"]
    assert (claims["iss"], claims["aud"], claims["sub"]) == (federation, "vault", arn)
    assert claims["exp"] - claims["iat"] == 60
    assert (about["aws_account"], about["source_region"]) == (ACCOUNT, REGION)
    assert (about["principal_tags"], about["request_tags"]) == ({"team": "bank"}, {"job": "1"})
    long = {"Audience": ["vault"], "SigningAlgorithm": "RS256", "DurationSeconds": 3600}
    assert refused(sts.get_web_identity_token, **long)[0] == "SessionDurationEscalationException"


@pytest.mark.parametrize("algorithm", ["RS256", "ES384"])
def test_a_real_openbao_accepts_the_token(
    local_aws: LocalAws, federation: str, openbao: Unsealed, algorithm: str
) -> None:
    """The keys in the home directory replace the issuer's JWKS endpoint."""
    arn, sts = assumed(local_aws)
    pem = (local_aws.home / "sts-web-identity.pem").read_text()
    blocks = [block + "-----END PUBLIC KEY-----\n" for block in pem.split("-----END PUBLIC KEY-----\n")[:-1]]
    root, mount = openbao.root_client(), f"jwt-{uuid.uuid4().hex[:8]}"
    root.sys.enable_auth_method("jwt", path=mount)
    root.write_data(
        f"auth/{mount}/config", data={"jwt_validation_pubkeys": blocks, "bound_issuer": federation}
    )
    role = {
        "role_type": "jwt",
        "user_claim": "sub",
        "bound_audiences": ["vault"],
        "bound_subject": arn,
        "token_policies": ["default"],
    }
    root.write_data(f"auth/{mount}/role/replicator", data=role)

    def login(audience: str) -> Any:
        made = sts.get_web_identity_token(Audience=[audience], SigningAlgorithm=algorithm)
        anonymous = hvac.Client(url=openbao.address, verify=str(openbao.ca_file))
        return anonymous.auth.jwt.jwt_login("replicator", made["WebIdentityToken"], path=mount)

    assert login("vault")["auth"]["client_token"]
    with pytest.raises(hvac.exceptions.VaultError):
        login("another")


# --- EventBridge --------------------------------------------------------------------------------------------


class Queue:
    """A queue that can accept messages from EventBridge, and its messages."""

    def __init__(self, aws: LocalAws) -> None:
        self._sqs = client(aws, "sqs")
        name = f"queue-{uuid.uuid4().hex}"
        self._url = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        self.arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"

    def trust(self, service: str, source: str) -> None:
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": service},
            "Action": "sqs:SendMessage",
            "Resource": self.arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": source}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self._sqs.set_queue_attributes(QueueUrl=self._url, Attributes={"Policy": policy})

    def received(self) -> list[str]:
        found = self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10).get("Messages", [])
        return [message["Body"] for message in found]


@pytest.fixture
def queue(local_aws: LocalAws) -> Queue:
    return Queue(local_aws)


@pytest.fixture
def bus(local_aws: LocalAws) -> str:
    name = f"bus-{uuid.uuid4().hex[:12]}"
    client(local_aws, "events").create_event_bus(Name=name)
    return name


def rule(aws: LocalAws, bus: str, target: dict[str, Any], **settings: Any) -> str:
    """Make a rule on *bus* for events of source `mine`; return its ARN."""
    events, name = client(aws, "events"), f"rule-{uuid.uuid4().hex[:12]}"
    pattern = {"EventPattern": json.dumps({"source": ["mine"]})}
    arn: str = events.put_rule(Name=name, EventBusName=bus, **{**pattern, **settings})["RuleArn"]
    events.put_targets(Rule=name, EventBusName=bus, Targets=[{"Id": "1", **target}])
    return arn


def put(aws: LocalAws, bus: str, source: str = "mine") -> None:
    entry = {"Source": source, "DetailType": "Test", "Detail": '{"paths": ["a"]}', "EventBusName": bus}
    assert client(aws, "events").put_events(Entries=[entry])["FailedEntryCount"] == 0


def test_a_rule_delivers_to_a_queue_that_allows_it(local_aws: LocalAws, bus: str, queue: Queue) -> None:
    """Moto delivers to any queue, with half of the envelope; AWS checks the queue's policy."""
    arn = rule(local_aws, bus, {"Arn": queue.arn})
    put(local_aws, bus)
    assert queue.received() == []
    assert queue.arn in (local_aws.home / "undelivered.log").read_text()
    queue.trust("events.amazonaws.com", arn)
    put(local_aws, bus, source="other")
    put(local_aws, bus)
    (body,) = queue.received()
    event = json.loads(body)
    assert (event["source"], event["detail-type"], event["detail"]) == ("mine", "Test", {"paths": ["a"]})
    assert (event["account"], event["region"], event["version"]) == (ACCOUNT, REGION, "0")


def test_a_disabled_rule_and_a_schedule_match_no_event(local_aws: LocalAws, queue: Queue) -> None:
    """In moto both get every event on the bus."""
    target = {"Arn": queue.arn}
    events, name = client(local_aws, "events"), f"rule-{uuid.uuid4().hex[:12]}"
    arn = events.put_rule(Name=name, ScheduleExpression="rate(1 hour)")["RuleArn"]
    events.put_targets(Rule=name, Targets=[{"Id": "1", **target}])
    queue.trust("events.amazonaws.com", arn)
    put(local_aws, "default")
    disabled = rule(local_aws, "default", target, State="DISABLED")
    queue.trust("events.amazonaws.com", disabled)
    put(local_aws, "default")
    assert queue.received() == []


def test_an_event_that_a_target_refuses_goes_to_its_dead_letters(
    local_aws: LocalAws, bus: str, queue: Queue
) -> None:
    """The event and the reason, in the target's own dead-letter queue."""
    closed = Queue(local_aws)
    rule(local_aws, bus, {"Arn": closed.arn, "DeadLetterConfig": {"Arn": queue.arn}})
    put(local_aws, bus)
    assert json.loads(queue.received()[0])["source"] == "mine"


def test_a_topic_forwards_a_rules_event_to_its_queue(local_aws: LocalAws, bus: str, queue: Queue) -> None:
    """Moto answers PutEvents with 500 for a topic; the topic's policy must name EventBridge."""
    sns = client(local_aws, "sns")
    topic = sns.create_topic(Name=f"topic-{uuid.uuid4().hex}")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue.arn)
    rule(local_aws, bus, {"Arn": topic})
    put(local_aws, bus)
    assert queue.received() == []
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": topic,
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
    put(local_aws, bus)
    assert json.loads(json.loads(queue.received()[0])["Message"])["source"] == "mine"


@pytest.fixture
def function(local_aws: LocalAws) -> Any:
    """A function that logs its event; the name of it and of its role."""
    name, data = f"function-{uuid.uuid4().hex[:12]}", io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("app.py", "import json\ndef handler(event, _): print('got', json.dumps(event))")
    iam, functions = client(local_aws, "iam"), client(local_aws, "lambda")
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    functions.create_function(
        FunctionName=name,
        Runtime="python3.13",
        Role=role,
        Handler="app.handler",
        Code={"ZipFile": data.getvalue()},
    )
    yield name
    functions.delete_function(FunctionName=name)


def logged(aws: LocalAws, function: str) -> list[dict[str, Any]]:
    log = aws.home / "functions" / f"{function}.log"
    lines = log.read_text().splitlines() if log.exists() else []
    return [json.loads(line.removeprefix("got ")) for line in lines if line.startswith("got ")]


def test_a_rule_invokes_a_function_that_allows_it(local_aws: LocalAws, bus: str, function: str) -> None:
    """Moto answers PutEvents with 500 for a function. Its policy must name the rule, and no account.

    EventBridge is reported to send no `aws:SourceAccount`: such a permission loses every event in silence.
    """
    target = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}"
    arn = rule(local_aws, bus, {"Arn": target})

    def undelivered() -> int:
        log = local_aws.home / "undelivered.log"
        return log.read_text().count(target) if log.exists() else 0

    def permit(statement: str, **source: str) -> None:
        client(local_aws, "lambda").add_permission(
            FunctionName=function,
            StatementId=statement,
            Action="lambda:InvokeFunction",
            Principal="events.amazonaws.com",
            SourceArn=arn,
            **source,
        )

    put(local_aws, bus)
    until(lambda: undelivered() == 1)
    permit("account", SourceAccount=ACCOUNT)
    put(local_aws, bus)
    until(lambda: undelivered() == 2)
    permit("rule")
    put(local_aws, bus)
    (event,) = until(lambda: logged(local_aws, function))
    assert event["detail"] == {"paths": ["a"]}


def test_a_schedule_fires(local_aws: LocalAws, queue: Queue) -> None:
    """Moto fires no schedules. A rate of 0 minutes, which moto accepts, is due at every check."""
    events, name = client(local_aws, "events"), f"rule-{uuid.uuid4().hex[:12]}"
    arn = events.put_rule(Name=name, ScheduleExpression="rate(0 minutes)")["RuleArn"]
    queue.trust("events.amazonaws.com", arn)
    events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": queue.arn}])
    event = json.loads(until(queue.received)[0])
    assert (event["source"], event["resources"]) == ("aws.events", [arn])
    events.disable_rule(Name=name)
