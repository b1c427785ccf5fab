"""Controls of the function, of the secrets it replicates, and of the alerts when it fails."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from replicator.contract.tags import TAG_OWNER
from templates.aws_versions import FUNCTION_RUNTIME
from templates.triggers import request_rule_name, schedule_name

from ..account.function import SecretMetadata
from ..account.policies import PolicyStatement, plain_http_denied
from ..account.state import AccountState
from ..model import Control, Observation, Severity
from ..remedies import revert_drift
from ..vault_comparison import compare_with_vault


def _runtime(state: AccountState) -> Iterator[Observation]:
    function = state.function.configuration
    yield Observation(function.name, function.runtime in FUNCTION_RUNTIME.supported, function.runtime)


def _in_vpc(state: AccountState) -> Iterator[Observation]:
    function = state.function.configuration
    yield Observation(function.name, len(function.subnets) >= 2, f"{len(function.subnets)} subnets")


def _invocation_policy(state: AccountState) -> Iterator[Observation]:
    deployment = state.deployment
    rules = frozenset(
        {
            state.aws.arn("events", f"rule/{schedule_name(deployment)}"),
            state.aws.arn("events", f"rule/{deployment.bus_name}/{request_rule_name(deployment)}"),
        }
    )
    name = state.function.configuration.name
    for statement in state.function.policy:
        ok = statement.denies or allows_only_rules(statement, rules)
        yield Observation(
            f"{name} {statement.sid}".strip(),
            ok,
            "only the deployment's own rules" if ok else _allowed(statement),
        )


def allows_only_rules(statement: PolicyStatement, rules: frozenset[str]) -> bool:
    """Whether only these EventBridge rules match a statement; a rule's ARN names its account."""
    sources = statement.required("aws:SourceArn")
    return (
        statement.principals == {"Service": frozenset({"events.amazonaws.com"})}
        and bool(sources)
        and sources <= rules
    )


def _allowed(statement: PolicyStatement) -> str:
    principals = sorted(name for names in statement.principals.values() for name in names)
    sources = sorted(statement.required("aws:SourceArn"))
    return f"allows {', '.join(principals)} from {', '.join(sources) or 'any source'}"


def _environment_key(state: AccountState) -> Iterator[Observation]:
    function = state.function.configuration
    ours = function.kms_key.rpartition("/")[2] in state.storage.keys
    yield Observation(
        function.name, ours, function.kms_key or "its environment is encrypted with AWS's own key"
    )


def _concurrency(state: AccountState) -> Iterator[Observation]:
    reserved = state.function.reserved_concurrency
    yield Observation(
        state.function.configuration.name, reserved == 1, f"reserved concurrency is {reserved or 'not set'}"
    )


def _dead_letters(state: AccountState) -> Iterator[Observation]:
    function = state.function.configuration
    target = function.dead_letter_target
    yield Observation(function.name, bool(target), target or "no dead-letter queue")


def _no_credential_variables(state: AccountState) -> Iterator[Observation]:
    function = state.function.configuration
    words = ("TOKEN", "PASSWORD", "SECRET_ID")
    suspicious = sorted(name for name in function.variable_names if any(word in name for word in words))
    evidence = (
        f"named like credentials: {', '.join(suspicious)}"
        if suspicious
        else "no variable is named like a credential"
    )
    yield Observation(function.name, not suspicious, evidence)


def _schedule(state: AccountState) -> Iterator[Observation]:
    schedules = [rule.schedule for rule in state.function.rules if rule.schedule and rule.enabled]
    evidence = ", ".join(schedules) or "no enabled schedule"
    yield Observation(state.function.configuration.name, bool(schedules), evidence)


def _secret_keys(state: AccountState) -> Iterator[Observation]:
    for secret in state.function.secrets:
        customer_managed = bool(secret.kms_key) and "alias/aws/" not in secret.kms_key
        key = secret.kms_key if customer_managed else "AWS's own key"
        yield Observation(secret.name, customer_managed, f"encrypted with {key}")


def _secret_ownership(state: AccountState) -> Iterator[Observation]:
    for secret in state.function.secrets:
        owner = secret.tags.owner
        evidence = f"owned by {owner}" if owner else f"no tag {TAG_OWNER}"
        yield Observation(secret.name, owner == state.deployment.name, evidence)


def _connection_policy(state: AccountState) -> Iterator[Observation]:
    denied = plain_http_denied(state.function.connection_policy)
    evidence = "plain HTTP is denied" if denied else "the policy doesn't deny plain HTTP"
    yield Observation(state.deployment.connection_secret, denied, evidence)


MOST_UNUSED_DAYS = 90
"""https://docs.aws.amazon.com/securityhub/latest/userguide/secretsmanager-controls.html#secretsmanager-3"""


def _unused(state: AccountState) -> Iterator[Observation]:
    now = dt.datetime.now(dt.UTC)
    for secret in state.function.secrets:
        days = unused_days(secret, now)
        yield Observation(secret.name, days <= MOST_UNUSED_DAYS, f"not read for {days} days")


def unused_days(secret: SecretMetadata, now: dt.datetime) -> int:
    """Return the days since a secret was last read, or created if it never was."""
    return (now - (secret.last_accessed or secret.created)).days


def _topic(state: AccountState) -> Iterator[Observation]:
    for topic in state.alerts.topics:
        denied = plain_http_denied(topic.policy)
        yield Observation(topic.arn, topic.has_kms_key and denied, _protection(topic.has_kms_key, denied))


def _queue(state: AccountState) -> Iterator[Observation]:
    for queue in state.alerts.queues:
        denied = plain_http_denied(queue.policy)
        yield Observation(queue.name, queue.has_kms_key and denied, _protection(queue.has_kms_key, denied))


def _protection(has_kms_key: bool, plain_http_is_denied: bool) -> str:
    key = "encrypted with a KMS key" if has_kms_key else "no KMS key"
    return f"{key}, plain HTTP is {'denied' if plain_http_is_denied else 'allowed'}"


def _subscriptions(state: AccountState) -> Iterator[Observation]:
    alerts = state.deployment.alerts
    for arn in state.alerts.topic_arns:
        confirmed = state.alerts.subscriptions_confirmed(arn)
        evidence = f"{confirmed.count(True)} of {len(confirmed)} subscriptions are confirmed"
        accepted = not (alerts.emails or alerts.webhooks)
        yield Observation(arn, any(confirmed), evidence, accepted)


def _no_failed_requests(state: AccountState) -> Iterator[Observation]:
    for queue in state.alerts.queues:
        evidence = f"{queue.messages} failed requests in the dead-letter queue"
        yield Observation(queue.name, queue.messages == 0, evidence)


def _alarm_actions(state: AccountState) -> Iterator[Observation]:
    topics = set(state.alerts.topic_arns)
    for name, alarm in state.alerts.alarms.items():
        if alarm is None:
            yield Observation(name, ok=False, evidence="the alarm was deleted")
            continue
        ok = alarm.actions_enabled and bool(topics & alarm.actions)
        evidence = "notifies the alerts topic" if ok else "doesn't notify the alerts topic"
        yield Observation(name, ok, evidence)


def _missing_run_alarm(state: AccountState) -> Iterator[Observation]:
    alarm = state.alerts.alarms[state.stacks.physical_id("observability", "NoRunAlarm")]
    ok = alarm is not None and alarm.missing_data == "breaching"
    evidence = f"missing data counts as {alarm.missing_data}" if alarm else "the alarm was deleted"
    yield Observation(state.deployment.function_name, ok, evidence)


def _tracing(state: AccountState) -> Iterator[Observation]:
    function = state.function.configuration
    yield Observation(function.name, function.tracing == "Active", f"tracing is {function.tracing}")


HIGH, MEDIUM, LOW, CRITICAL = Severity.HIGH, Severity.MEDIUM, Severity.LOW, Severity.CRITICAL
REPLICATOR = revert_drift("replicator")

CONTROLS = (
    Control(
        "Lambda.1",
        "Only the deployment's rules can invoke the function",
        CRITICAL,
        "aws lambda remove-permission --function-name NAME-replicator --statement-id …; "
        f"a removed permission of the stack: {REPLICATOR}",
        _invocation_policy,
    ),
    Control("Lambda.2", "The function's runtime is current", MEDIUM, REPLICATOR, _runtime),
    Control("Lambda.3", "The function is in the VPC, over two zones", LOW, REPLICATOR, _in_vpc),
    Control(
        "SEC08-BP01",
        "The function's environment is encrypted with the stack's key",
        MEDIUM,
        REPLICATOR,
        _environment_key,
    ),
    Control("BV.FN1", "The function runs once at a time", MEDIUM, REPLICATOR, _concurrency),
    Control("BV.FN2", "Failed requests go to a dead-letter queue", MEDIUM, REPLICATOR, _dead_letters),
    Control(
        "BV.FN3",
        "No variable of the function is named like a credential",
        CRITICAL,
        REPLICATOR,
        _no_credential_variables,
    ),
    Control("BV.FN4", "The schedule is enabled", HIGH, REPLICATOR, _schedule),
    Control(
        "BV.SM3",
        "Secrets are encrypted with a customer managed key",
        HIGH,
        "beanvault replicate",
        _secret_keys,
    ),
    Control(
        "SecretsManager.3",
        "Secrets are used",
        MEDIUM,
        "delete the unused secret in Vault; the function then schedules its deletion in Secrets Manager",
        _unused,
    ),
    Control(
        "BV.SM1",
        "The deployment owns every secret below its prefix",
        MEDIUM,
        "name the secret in replicator.adopt, or move it elsewhere",
        _secret_ownership,
    ),
    Control("SEC03-BP07", "The connection secret accepts TLS only", MEDIUM, REPLICATOR, _connection_policy),
    Control(
        "BV.SM2",
        "Secrets have the current version of Vault",
        HIGH,
        "beanvault replicate; beanvault status",
        compare_with_vault,
    ),
    Control(
        "SNS.1",
        "The alerts topic is encrypted and accepts TLS only",
        MEDIUM,
        f"the key: {revert_drift('keys')}; the policy's statement DenyInsecureTransport: "
        "aws sns set-topic-attributes --attribute-name Policy",
        _topic,
    ),
    Control(
        "SEC04-BP04",
        "Alerts reach a confirmed subscription",
        HIGH,
        f"confirm the subscriptions; a removed one: {revert_drift('keys')}; if there are none: set [alerts]",
        _subscriptions,
    ),
    Control(
        "SQS.1",
        "The dead-letter queue is encrypted and accepts TLS only",
        MEDIUM,
        f"the key: {REPLICATOR}; the policy's statement DenyInsecureTransport: aws sqs set-queue-attributes",
        _queue,
    ),
    Control(
        "BV.FN5",
        "The dead-letter queue is empty",
        MEDIUM,
        "read the function's log (aws logs tail /aws/lambda/NAME-replicator), then aws sqs purge-queue",
        _no_failed_requests,
    ),
    Control("BV.FN6", "Runs are traced", LOW, REPLICATOR, _tracing),
    Control(
        "BV.ALARM1",
        "A missing run raises an alarm",
        HIGH,
        revert_drift("observability"),
        _missing_run_alarm,
    ),
    Control(
        "CloudWatch.15",
        "Alarms notify the alerts topic",
        HIGH,
        revert_drift("observability"),
        _alarm_actions,
    ),
)
