"""Controls of the function, of what it replicates, and of who hears when it fails."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from replicator.contract.summary import ChangeSummary, ProblemKind, RunSummary
from replicator.contract.tags import TAG_SOURCE, read_tags
from templates.aws_versions import FUNCTION_RUNTIME
from templates.triggers import request_rule_name, schedule_name

from ..errors import BeanvaultError
from ..replication.function import ReplicatorFunction
from .live import AccountState, ResourceMissing
from .model import Control, Observation, Severity
from .policies import plain_http_denied, required, statements
from .remedy import put_back


def _runtime(live: AccountState) -> Iterator[Observation]:
    runtime = live.function.get("Runtime", "")
    yield Observation(live.function["FunctionName"], runtime in FUNCTION_RUNTIME.acceptable, runtime)


def _function_in_vpc(live: AccountState) -> Iterator[Observation]:
    subnets = live.function.get("VpcConfig", {}).get("SubnetIds") or []
    yield Observation(live.function["FunctionName"], len(subnets) >= 2, f"{len(subnets)} subnets")


def _function_policy(live: AccountState) -> Iterator[Observation]:
    deployment = live.deployment
    rules = f"arn:{live.aws.partition}:events:{live.aws.region}:{live.aws.account()}:rule"
    ours = {
        f"{rules}/{schedule_name(deployment)}",
        f"{rules}/{deployment.bus_name}/{request_rule_name(deployment)}",
    }
    name = live.function["FunctionName"]
    for statement in statements(live.aws.client("lambda").get_policy(FunctionName=name)["Policy"]):
        sources = required(statement, "aws:SourceArn")
        bound = statement["Effect"] != "Allow" or (
            statement.get("Principal") == {"Service": "events.amazonaws.com"}
            and required(statement, "aws:SourceAccount") == {live.aws.account()}
            and bool(sources)
            and sources <= ours
        )
        told = (
            "our rule's"
            if bound
            else f"lets in {statement.get('Principal')} from {sorted(sources) or 'anywhere'}"
        )
        yield Observation(f"{name} {statement.get('Sid', '')}".strip(), bound, told)


def _function_key(live: AccountState) -> Iterator[Observation]:
    key = live.function.get("KMSKeyArn", "")
    ours = key.rpartition("/")[2] in live.ids("AWS::KMS::Key")
    yield Observation(live.function["FunctionName"], ours, key or "its environment has AWS's own key")


def _concurrency(live: AccountState) -> Iterator[Observation]:
    name = live.function["FunctionName"]
    answer = live.aws.client("lambda").get_function_concurrency(FunctionName=name)
    reserved = answer.get("ReservedConcurrentExecutions")
    yield Observation(name, reserved == 1, f"reserved concurrency is {reserved}")


def _dead_letters(live: AccountState) -> Iterator[Observation]:
    target = live.function.get("DeadLetterConfig", {}).get("TargetArn")
    yield Observation(live.function["FunctionName"], bool(target), target or "failures go nowhere")


def _no_credentials(live: AccountState) -> Iterator[Observation]:
    variables = live.function.get("Environment", {}).get("Variables", {})
    named = [name for name in variables if any(word in name for word in ("TOKEN", "PASSWORD", "SECRET_ID"))]
    told = f"look like credentials: {', '.join(named)}" if named else "no variable is named like a credential"
    yield Observation(live.function["FunctionName"], not named, told)


def _schedule(live: AccountState) -> Iterator[Observation]:
    arn = live.function["FunctionArn"]
    client = live.aws.client("events")
    names = client.list_rule_names_by_target(TargetArn=arn)["RuleNames"]
    rules = [client.describe_rule(Name=name) for name in names]
    good = [rule for rule in rules if rule.get("ScheduleExpression") and rule["State"] == "ENABLED"]
    told = ", ".join(rule["ScheduleExpression"] for rule in good) or "no enabled schedule"
    yield Observation(live.function["FunctionName"], bool(good), told)


def _secret_keys(live: AccountState) -> Iterator[Observation]:
    for secret in live.secrets:
        key = secret.get("KmsKeyId") or ""
        own = bool(key) and "alias/aws/" not in key
        yield Observation(
            secret["Name"], own, f"encrypted with {key}" if own else "encrypted with AWS's own key"
        )


def _secret_ownership(live: AccountState) -> Iterator[Observation]:
    for secret in live.secrets:
        owner = read_tags(secret.get("Tags")).owner
        yield Observation(secret["Name"], owner == live.deployment.name, f"owned by {owner or 'nobody'}")


def _connection_policy(live: AccountState) -> Iterator[Observation]:
    name = live.deployment.connection_secret
    policy = live.aws.client("secretsmanager").get_resource_policy(SecretId=name).get("ResourcePolicy")
    denied = plain_http_denied(statements(policy))
    yield Observation(
        name, denied, "plain HTTP is denied" if denied else "its policy doesn't deny plain HTTP"
    )


UNUSED_DAYS = 90
"""https://docs.aws.amazon.com/securityhub/latest/userguide/secretsmanager-controls.html#secretsmanager-3"""


def _unused(live: AccountState) -> Iterator[Observation]:
    now = dt.datetime.now(dt.UTC)
    for secret in live.secrets:
        days = unused_days(secret, now)
        yield Observation(secret["Name"], days <= UNUSED_DAYS, f"not read for {days} days")


def unused_days(secret: Mapping[str, Any], now: dt.datetime) -> int:
    """Return since when nobody has read a secret; before the first time, since it was made."""
    days: int = (now - (secret.get("LastAccessedDate") or secret["CreatedDate"])).days
    return days


def _replicated(live: AccountState) -> Iterator[Observation]:
    """Compare with Vault, by a dry run of the function itself."""
    try:
        summary = ReplicatorFunction(live.aws, live.deployment.function_name).dry_run()
    except BeanvaultError as error:
        raise ResourceMissing(f"the comparison didn't run: {error}") from error
    retained = live.deployment.replicator.deletion == "retain"
    yield from compared(summary, live.secrets, live.deployment.name, retained=retained)


def compared(
    summary: RunSummary, secrets: Sequence[Mapping[str, Any]], owner: str, *, retained: bool
) -> Iterator[Observation]:
    """Yield what a dry run found about each secret below the prefix.

    Secrets of other owners are not compared; `BV.SM1` checks those. Orphans are accepted where the deployment
    file has them *retained*.

    Raises:
        ResourceMissing: the run itself failed
    """
    wrong = {change.name: _why(change) for change in summary.changes}
    for problem in summary.problems:
        if problem.kind is ProblemKind.RUN:
            raise ResourceMissing(f"the comparison didn't run: {problem.error}: {problem.cause}")
        wrong[problem.subject] = f"{problem.error}: {problem.cause}"
    for subject, evidence in sorted(wrong.items()):
        yield Observation(subject, ok=False, evidence=evidence)
    skipped = {each.source: each.reason for each in summary.skipped}
    for secret in secrets:
        tags = read_tags(secret.get("Tags"))
        if secret["Name"] in wrong or tags.owner != owner:
            continue
        if tags.source is None:
            yield Observation(secret["Name"], ok=False, evidence=f"not compared: {TAG_SOURCE} was edited")
        elif reason := skipped.get(tags.source):
            yield Observation(secret["Name"], ok=False, evidence=f"not compared: {reason}", chosen=retained)
        elif not any(_covers(subject, tags.source) for subject in wrong):
            yield Observation(secret["Name"], ok=True, evidence="AWSCURRENT is Vault's current version")


def _covers(subject: str, source: str) -> bool:
    """Whether *subject* is *source*, or a folder above it."""
    return source == subject or (subject.endswith("/") and source.startswith(subject))


def _why(change: ChangeSummary) -> str:
    reason = f" ({change.reason})" if change.reason else ""
    return f"not Vault's current version; the next run would do: {change.action}{reason}"


def _topic(live: AccountState) -> Iterator[Observation]:
    for arn in live.ids("AWS::SNS::Topic"):
        attributes = live.aws.client("sns").get_topic_attributes(TopicArn=arn)["Attributes"]
        key, denied = (
            attributes.get("KmsMasterKeyId"),
            plain_http_denied(statements(attributes.get("Policy"))),
        )
        told = f"{'encrypted' if key else 'not encrypted'}, plain HTTP {'denied' if denied else 'allowed'}"
        yield Observation(arn, bool(key) and denied, told)


def _subscribed(live: AccountState) -> Iterator[Observation]:
    alerts = live.deployment.alerts
    for arn in live.ids("AWS::SNS::Topic"):
        found = live.pages("sns", "list_subscriptions_by_topic", "Subscriptions", TopicArn=arn)
        confirmed = [entry for entry in found if entry["SubscriptionArn"].startswith("arn:")]
        told = f"{len(confirmed)} of {len(found)} subscriptions are confirmed"
        yield Observation(arn, bool(confirmed), told, chosen=not (alerts.emails or alerts.webhooks))


def _queue(live: AccountState) -> Iterator[Observation]:
    for url in live.ids("AWS::SQS::Queue"):
        attributes = live.aws.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])[
            "Attributes"
        ]
        key = attributes.get("KmsMasterKeyId")
        denied = plain_http_denied(statements(attributes.get("Policy")))
        told = f"{'encrypted' if key else 'no key of ours'}, plain HTTP {'denied' if denied else 'allowed'}"
        yield Observation(url.rpartition("/")[2], bool(key) and denied, told)


def _nothing_failed(live: AccountState) -> Iterator[Observation]:
    for url in live.ids("AWS::SQS::Queue"):
        attributes = live.aws.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])[
            "Attributes"
        ]
        count = int(attributes.get("ApproximateNumberOfMessages", 0))
        yield Observation(
            url.rpartition("/")[2], count == 0, f"{count} failed requests are waiting to be looked at"
        )


def _alarms(live: AccountState) -> Iterator[Observation]:
    for name, alarm in live.alarms.items():
        if alarm is None:
            yield Observation(name, ok=False, evidence="somebody deleted it")
            continue
        heard = set(live.ids("AWS::SNS::Topic")) & set(alarm["AlarmActions"]) and alarm["ActionsEnabled"]
        yield Observation(name, bool(heard), "tells the topic" if heard else "doesn't tell the topic")


def _missing_runs(live: AccountState) -> Iterator[Observation]:
    alarm = live.alarms[live.named("observability", "NoRun")]
    missing = alarm["TreatMissingData"] if alarm else "nothing: the alarm is gone"
    told = f"a missing run counts as {missing}"
    yield Observation(live.deployment.function_name, missing == "breaching", told)


def _tracing(live: AccountState) -> Iterator[Observation]:
    mode = live.function.get("TracingConfig", {}).get("Mode", "PassThrough")
    yield Observation(live.function["FunctionName"], mode == "Active", f"tracing is {mode}")


HIGH, MEDIUM, LOW, CRITICAL = Severity.HIGH, Severity.MEDIUM, Severity.LOW, Severity.CRITICAL
REPLICATOR = put_back("replicator")

CONTROLS = (
    Control(
        "Lambda.1",
        "Only our rules may start the function",
        CRITICAL,
        "aws lambda remove-permission --function-name NAME-replicator --statement-id …; "
        f"one of ours that was removed: {REPLICATOR}",
        _function_policy,
    ),
    Control("Lambda.2", "A current runtime", MEDIUM, REPLICATOR, _runtime),
    Control("Lambda.3", "The function is in the VPC, over two zones", LOW, REPLICATOR, _function_in_vpc),
    Control(
        "SEC08-BP01", "The function's environment has a key of its own", MEDIUM, REPLICATOR, _function_key
    ),
    Control("BV.FN1", "One run at a time", MEDIUM, REPLICATOR, _concurrency),
    Control("BV.FN2", "Failures go to a dead-letter queue", MEDIUM, REPLICATOR, _dead_letters),
    Control("BV.FN3", "No credential in the function's environment", CRITICAL, REPLICATOR, _no_credentials),
    Control("BV.FN4", "The schedule is on", HIGH, REPLICATOR, _schedule),
    Control("SecretsManager.1", "Secrets have a key of their own", HIGH, "beanvault replicate", _secret_keys),
    Control(
        "SecretsManager.3",
        "Secrets are read",
        MEDIUM,
        "delete in Vault what nobody needs; the function then schedules the copy's deletion",
        _unused,
    ),
    Control(
        "BV.SM1",
        "Every secret below the prefix is ours",
        MEDIUM,
        "name it in replicator.adopt, or move it elsewhere",
        _secret_ownership,
    ),
    Control("SEC03-BP07", "The connection secret takes TLS only", MEDIUM, REPLICATOR, _connection_policy),
    Control(
        "BV.SM2", "Secrets are what Vault holds", HIGH, "beanvault replicate; beanvault status", _replicated
    ),
    Control(
        "SNS.1",
        "The alert topic is encrypted and takes TLS only",
        MEDIUM,
        f"the key: {put_back('keys')}; the policy's statement OnlyOverTls: "
        "aws sns set-topic-attributes --attribute-name Policy",
        _topic,
    ),
    Control(
        "SEC04-BP04",
        "Somebody hears of failures",
        HIGH,
        f"confirm the subscriptions; one that was removed: {put_back('keys')}; none yet: set [alerts]",
        _subscribed,
    ),
    Control(
        "SQS.1",
        "The dead-letter queue is encrypted and takes TLS only",
        MEDIUM,
        f"the key: {REPLICATOR}; the policy's statement OnlyOverTls: aws sqs set-queue-attributes",
        _queue,
    ),
    Control(
        "BV.FN5",
        "No failed request waits to be looked at",
        MEDIUM,
        "read the function's log (aws logs tail /aws/lambda/NAME-replicator), then aws sqs purge-queue",
        _nothing_failed,
    ),
    Control("BV.FN6", "Runs are traced", LOW, REPLICATOR, _tracing),
    Control(
        "BV.ALARM1",
        "A run that didn't happen is noticed",
        HIGH,
        put_back("observability"),
        _missing_runs,
    ),
    Control("CloudWatch.15", "Alarms tell somebody", HIGH, put_back("observability"), _alarms),
)
