"""Controls of the function, of what it replicates, and of who hears when it fails."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from replicator.model import TAG_OWNER
from templates.current import FUNCTION_RUNTIME

from ..errors import BeanvaultError
from ..function import Function
from .live import Live, Missing, plain_http_denied, statements
from .model import Control, Seen, Severity


def _runtime(live: Live) -> Iterator[Seen]:
    runtime = live.function.get("Runtime", "")
    yield Seen(live.function["FunctionName"], runtime in FUNCTION_RUNTIME.acceptable, runtime)


def _function_in_vpc(live: Live) -> Iterator[Seen]:
    subnets = live.function.get("VpcConfig", {}).get("SubnetIds") or []
    yield Seen(live.function["FunctionName"], len(subnets) >= 2, f"{len(subnets)} subnets")


def _function_policy(live: Live) -> Iterator[Seen]:
    text = live.aws.client("lambda").get_policy(FunctionName=live.function["FunctionName"])["Policy"]
    for statement in statements(text):
        condition = json.dumps(statement.get("Condition", {}))
        bound = "SourceArn" in condition and "SourceAccount" in condition
        told = "bound to a source and an account" if bound else "not bound to a source and an account"
        yield Seen(f"{live.function['FunctionName']} {statement.get('Sid', '')}".strip(), bound, told)


def _function_key(live: Live) -> Iterator[Seen]:
    key = live.function.get("KMSKeyArn")
    yield Seen(live.function["FunctionName"], bool(key), key or "its environment has AWS's own key")


def _concurrency(live: Live) -> Iterator[Seen]:
    name = live.function["FunctionName"]
    answer = live.aws.client("lambda").get_function_concurrency(FunctionName=name)
    reserved = answer.get("ReservedConcurrentExecutions")
    yield Seen(name, reserved == 1, f"reserved concurrency is {reserved}")


def _dead_letters(live: Live) -> Iterator[Seen]:
    target = live.function.get("DeadLetterConfig", {}).get("TargetArn")
    yield Seen(live.function["FunctionName"], bool(target), target or "failures go nowhere")


def _no_credentials(live: Live) -> Iterator[Seen]:
    variables = live.function.get("Environment", {}).get("Variables", {})
    named = [name for name in variables if any(word in name for word in ("TOKEN", "PASSWORD", "SECRET_ID"))]
    told = f"look like credentials: {', '.join(named)}" if named else "no variable is named like a credential"
    yield Seen(live.function["FunctionName"], not named, told)


def _schedule(live: Live) -> Iterator[Seen]:
    arn = live.function["FunctionArn"]
    client = live.aws.client("events")
    names = client.list_rule_names_by_target(TargetArn=arn)["RuleNames"]
    rules = [client.describe_rule(Name=name) for name in names]
    good = [rule for rule in rules if rule.get("ScheduleExpression") and rule["State"] == "ENABLED"]
    told = ", ".join(rule["ScheduleExpression"] for rule in good) or "no enabled schedule"
    yield Seen(live.function["FunctionName"], bool(good), told)


def _secret_keys(live: Live) -> Iterator[Seen]:
    for secret in live.secrets:
        key = secret.get("KmsKeyId") or ""
        own = bool(key) and "alias/aws/" not in key
        yield Seen(secret["Name"], own, f"encrypted with {key}" if own else "encrypted with AWS's own key")


def _secret_ownership(live: Live) -> Iterator[Seen]:
    for secret in live.secrets:
        owner = next((tag["Value"] for tag in secret.get("Tags") or () if tag["Key"] == TAG_OWNER), None)
        yield Seen(secret["Name"], owner == live.deployment.name, f"owned by {owner or 'nobody'}")


def _connection_policy(live: Live) -> Iterator[Seen]:
    name = live.deployment.connection_secret
    policy = live.aws.client("secretsmanager").get_resource_policy(SecretId=name).get("ResourcePolicy")
    denied = plain_http_denied(statements(policy))
    yield Seen(name, denied, "plain HTTP is denied" if denied else "its policy doesn't deny plain HTTP")


def _replicated(live: Live) -> Iterator[Seen]:
    """Compare with Vault, by a dry run of the function itself."""
    try:
        report = Function(live.aws, live.deployment.function_name).dry_run()
    except BeanvaultError as error:
        raise Missing(f"the comparison didn't run: {error}") from error
    stale = {told["name"]: told for told in report["changes"]}
    for name, told in sorted(stale.items()):
        yield Seen(name, ok=False, evidence=_why(told))
    for problem in report["problems"]:
        if problem["what"] == "the run":
            raise Missing(f"the comparison didn't run: {problem['kind']}: {problem['cause']}")
        yield Seen(problem["what"], ok=False, evidence=f"{problem['kind']}: {problem['cause']}")
    for secret in live.secrets:
        if secret["Name"] not in stale:
            yield Seen(secret["Name"], ok=True, evidence="AWSCURRENT is Vault's current version")


def _why(change: Mapping[str, str]) -> str:
    because = f" ({change['why']})" if change["why"] else ""
    return f"it isn't what Vault holds; the next run would do: {change['action']}{because}"


def _topic(live: Live) -> Iterator[Seen]:
    for arn in live.ids("AWS::SNS::Topic"):
        attributes = live.aws.client("sns").get_topic_attributes(TopicArn=arn)["Attributes"]
        key, denied = (
            attributes.get("KmsMasterKeyId"),
            plain_http_denied(statements(attributes.get("Policy"))),
        )
        told = f"{'encrypted' if key else 'not encrypted'}, plain HTTP {'denied' if denied else 'allowed'}"
        yield Seen(arn, bool(key) and denied, told)


def _subscribed(live: Live) -> Iterator[Seen]:
    alerts = live.deployment.alerts
    for arn in live.ids("AWS::SNS::Topic"):
        found = live.pages("sns", "list_subscriptions_by_topic", "Subscriptions", TopicArn=arn)
        confirmed = [entry for entry in found if entry["SubscriptionArn"].startswith("arn:")]
        told = f"{len(confirmed)} of {len(found)} subscriptions are confirmed"
        yield Seen(arn, bool(confirmed), told, chosen=not (alerts.emails or alerts.webhooks))


def _queue(live: Live) -> Iterator[Seen]:
    for url in live.ids("AWS::SQS::Queue"):
        attributes = live.aws.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])[
            "Attributes"
        ]
        key = attributes.get("KmsMasterKeyId")
        denied = plain_http_denied(statements(attributes.get("Policy")))
        told = f"{'encrypted' if key else 'no key of ours'}, plain HTTP {'denied' if denied else 'allowed'}"
        yield Seen(url.rpartition("/")[2], bool(key) and denied, told)


def _nothing_failed(live: Live) -> Iterator[Seen]:
    for url in live.ids("AWS::SQS::Queue"):
        attributes = live.aws.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])[
            "Attributes"
        ]
        count = int(attributes.get("ApproximateNumberOfMessages", 0))
        yield Seen(url.rpartition("/")[2], count == 0, f"{count} failed requests are waiting to be looked at")


def _alarms(live: Live) -> Iterator[Seen]:
    names = set(live.ids("AWS::CloudWatch::Alarm"))
    found = [
        a for a in live.pages("cloudwatch", "describe_alarms", "MetricAlarms") if a["AlarmName"] in names
    ]
    for alarm in found:
        heard = bool(alarm["AlarmActions"]) and alarm["ActionsEnabled"]
        yield Seen(alarm["AlarmName"], heard, "tells the topic" if heard else "tells nobody")


def _missing_runs(live: Live) -> Iterator[Seen]:
    names = set(live.ids("AWS::CloudWatch::Alarm"))
    found = [
        a["AlarmName"]
        for a in live.pages("cloudwatch", "describe_alarms", "MetricAlarms")
        if a["AlarmName"] in names and a.get("TreatMissingData") == "breaching"
    ]
    told = f"{', '.join(found)} takes silence for a failure" if found else "no alarm notices a missing run"
    yield Seen(live.deployment.function_name, bool(found), told)


def _tracing(live: Live) -> Iterator[Seen]:
    mode = live.function.get("TracingConfig", {}).get("Mode", "PassThrough")
    yield Seen(live.function["FunctionName"], mode == "Active", f"tracing is {mode}")


HIGH, MEDIUM, LOW, CRITICAL = Severity.HIGH, Severity.MEDIUM, Severity.LOW, Severity.CRITICAL
AGAIN = "deploy the replicator layer again"

CONTROLS = (
    Control("Lambda.1", "Only our rules may start the function", CRITICAL, AGAIN, _function_policy),
    Control("Lambda.2", "A current runtime", MEDIUM, AGAIN, _runtime),
    Control("Lambda.3", "The function is in the VPC, over two zones", LOW, AGAIN, _function_in_vpc),
    Control("SEC08-BP01", "The function's environment has a key of its own", MEDIUM, AGAIN, _function_key),
    Control("BV.FN1", "One run at a time", MEDIUM, AGAIN, _concurrency),
    Control("BV.FN2", "Failures go to a dead-letter queue", MEDIUM, AGAIN, _dead_letters),
    Control("BV.FN3", "No credential in the function's environment", CRITICAL, AGAIN, _no_credentials),
    Control("BV.FN4", "The schedule is on", HIGH, "enable the rule", _schedule),
    Control(
        "SecretsManager.1",
        "Secrets have a key of their own",
        HIGH,
        "replicate again: beanvault replicate",
        _secret_keys,
    ),
    Control("BV.SM1", "Every secret below the prefix is ours", MEDIUM, "adopt or move it", _secret_ownership),
    Control("SEC03-BP07", "The connection secret takes TLS only", MEDIUM, AGAIN, _connection_policy),
    Control(
        "BV.SM2", "Secrets are what Vault holds", HIGH, "beanvault replicate; beanvault status", _replicated
    ),
    Control(
        "SNS.1",
        "The alert topic is encrypted and takes TLS only",
        MEDIUM,
        "deploy the keys layer again",
        _topic,
    ),
    Control(
        "SEC04-BP04",
        "Somebody hears of failures",
        HIGH,
        "confirm the subscriptions; set [alerts]",
        _subscribed,
    ),
    Control("SQS.1", "The dead-letter queue is encrypted and takes TLS only", MEDIUM, AGAIN, _queue),
    Control(
        "BV.FN5",
        "No failed request waits to be looked at",
        MEDIUM,
        "read the function's log, then purge",
        _nothing_failed,
    ),
    Control("BV.FN6", "Runs are traced", LOW, AGAIN, _tracing),
    Control(
        "BV.ALARM1",
        "A run that didn't happen is noticed",
        HIGH,
        "deploy the observability layer again",
        _missing_runs,
    ),
    Control("CloudWatch.15", "Alarms tell somebody", HIGH, "deploy the observability layer again", _alarms),
)
