"""The replicator layer: the function that replicates Vault to Secrets Manager, and what invokes it."""

from typing import ClassVar

from troposphere import GetAtt, Join, Parameter, Ref, Template
from troposphere.awslambda import (
    Code,
    DeadLetterConfig,
    Environment,
    EventInvokeConfig,
    Function,
    LoggingConfig,
    TracingConfig,
    VPCConfig,
)
from troposphere.events import EventBus
from troposphere.iam import Role
from troposphere.secretsmanager import ResourcePolicy, Secret
from troposphere.sqs import Queue

from replicator.contract.events import REPLICATION_REQUESTED, SECRET_REPLICATED
from templates import keys_layer, network_layer, security_groups, triggers
from templates.aws_versions import FUNCTION_RUNTIME, FUNCTION_RUNTIME_REASON
from templates.deployment import Deployment
from templates.layer_outputs import LayerOutput
from templates.log_groups import add_log_group
from templates.policies import (
    arns,
    document,
    replicator_allow,
    replicator_deny,
    resource_policies,
    shared_statements,
)
from templates.policies.roles import add_role
from templates.policies.secret_statements import deny_reading_other_secrets
from templates.policies.trust_policies import assumed_by
from templates.rendering import new_template
from templates.resource_tags import tags
from templates.suppressions import suppress, suppress_in_packs

LAYER = "replicator"
FUNCTION_ARN = LayerOutput(LAYER, "FunctionArn")
BUS_ARN = LayerOutput(LAYER, "EventBusArn")
CONNECTION_SECRET_ARN = LayerOutput(LAYER, "ConnectionSecretArn")
DEAD_LETTER_QUEUE_NAME = LayerOutput(LAYER, "DeadLetterQueueName")


class _StructuredLogging(LoggingConfig):  # type: ignore[misc]  # troposphere ships no types
    """Adds `LogFormat`, which troposphere 4.11 has in the logging of another resource only."""

    props: ClassVar = {**LoggingConfig.props, "LogFormat": (str, True)}


def token_audience(deployment: Deployment) -> str:
    """Return the one audience for which the function can get a JWT from AWS; Vault's role has to bind it."""
    return f"{deployment.name}-vault"


def adopted_names(deployment: Deployment) -> list[str]:
    """Return the full names of the secrets that replication can take over."""
    return [f"{deployment.prefix}/{name}" for name in deployment.replicator.adopt]


def build(deployment: Deployment) -> Template:
    """Return the template of the replicator layer."""
    template = new_template(deployment, LAYER, "the function that replicates Vault to Secrets Manager")
    for name, what in (("FunctionCodeBucket", "Bucket"), ("FunctionCodeKey", "Object key")):
        template.add_parameter(
            Parameter(name, Type="String", Description=f"{what} of the replicator function's zip")
        )

    connection = _add_connection_secret(template, deployment)
    queue = triggers.add_dead_letter_queue(template, deployment, LAYER)
    bus = triggers.add_bus(template, deployment, LAYER)
    replicator = _add_function(template, deployment, connection=connection, queue=queue, bus=bus)
    triggers.add_triggers(template, deployment, replicator, bus=bus, queue=queue)

    template.add_output(
        [
            FUNCTION_ARN.output(deployment, GetAtt(replicator, "Arn"), "ARN of the replicator function"),
            BUS_ARN.output(deployment, GetAtt(bus, "Arn"), "ARN of the event bus"),
            CONNECTION_SECRET_ARN.output(
                deployment, Ref(connection), "ARN of the secret with Vault's address and the function's login"
            ),
            DEAD_LETTER_QUEUE_NAME.output(
                deployment,
                GetAtt(queue, "QueueName"),
                "Name of the queue of failed events",
            ),
        ]
    )
    return template


def _add_connection_secret(template: Template, deployment: Deployment) -> Secret:
    """Add the secret without a value: no credential passes through a template or a parameter."""
    secret = template.add_resource(
        Secret(
            "ConnectionSecret",
            Name=deployment.connection_secret,
            Description="Vault's address and the replicator's login; written by `beanvault connect`",
            KmsKeyId=keys_layer.FUNCTION_KEY_ARN.imported(deployment),
            Tags=tags(deployment, LAYER),
            **deployment.retention,
        )
    )
    login = (
        "It contains a login to Vault, which only Vault can rotate; `beanvault connect` writes the new one."
    )
    suppress(secret, "AwsSolutions-SMG4", login)
    suppress_in_packs(secret, "SecretsManagerRotationEnabled", login, "HIPAA NIST")
    template.add_resource(
        ResourcePolicy(
            "ConnectionSecretPolicy",
            SecretId=Ref(secret),
            BlockPublicPolicy=True,
            ResourcePolicy=document(
                [
                    resource_policies.deny_other_accounts(resource_policies.ANY_SECRET_ACTION, "*"),
                    resource_policies.deny_insecure_transport(resource_policies.ANY_SECRET_ACTION, "*"),
                ]
            ),
        )
    )
    return secret


def _add_role(
    template: Template, deployment: Deployment, *, connection: Secret, queue: Queue, bus: EventBus
) -> Role:
    below = arns.secrets_below(deployment.prefix)
    key = keys_layer.FUNCTION_KEY_ARN.imported(deployment)
    topic = keys_layer.TOPIC_ARN.imported(deployment)
    allow = [
        replicator_allow.list_secrets(),
        replicator_allow.describe_secrets(below),
        replicator_allow.create_owned_secrets(below, deployment.name),
        replicator_allow.tag_unowned_secrets(below, deployment.name),
        replicator_allow.change_owned_secrets(below, deployment.name),
        replicator_allow.encrypt_secrets(keys_layer.SECRETS_KEY_ARN.imported(deployment), below),
        replicator_allow.use_connection_secret(Ref(connection)),
        replicator_allow.tag_health_state(Ref(connection)),
        replicator_allow.use_function_key(key),
        replicator_allow.publish_alerts(topic),
        shared_statements.encrypt_alerts(keys_layer.DATA_KEY_ARN.imported(deployment)),
        shared_statements.put_events("RequestContinuation", GetAtt(bus, "Arn"), REPLICATION_REQUESTED),
        shared_statements.put_events("ReportReplicatedSecrets", GetAtt(bus, "Arn"), SECRET_REPLICATED),
        replicator_allow.send_to_dead_letter_queue(GetAtt(queue, "Arn")),
        shared_statements.write_logs(arns.log_streams(_log_group_name(deployment))),
        replicator_allow.get_identity_token(token_audience(deployment)),
        replicator_allow.send_traces(),
        shared_statements.manage_network_interfaces(),
    ]
    settings = deployment.replicator
    if settings.replica_regions:
        allow.append(replicator_allow.replicate_owned_secrets(below, deployment.name))
    if settings.key_aliases:
        allow.append(replicator_allow.encrypt_with_aliased_keys(settings.key_aliases, below))
    adopted = [arns.secret(name) for name in adopted_names(deployment)]
    deny = [
        deny_reading_other_secrets(Ref(connection)),
        replicator_deny.deny_writing_other_secrets([below, Ref(connection)]),
        replicator_deny.deny_changing_owner(deployment.name),
        replicator_deny.deny_removing_ownership(),
        replicator_deny.deny_immediate_deletion(),
        replicator_deny.deny_changing_permissions(),
        replicator_deny.deny_network_interfaces_to_code(arns.function(deployment.function_name)),
    ]
    role = add_role(
        template,
        "FunctionRole",
        trust=assumed_by("lambda.amazonaws.com"),
        allow=allow,
        allow_listed=[replicator_allow.adopt_secrets(adopted, deployment.name)] if adopted else [],
        deny=deny,
        description="replicates Vault to Secrets Manager",
        tags=tags(deployment, LAYER),
        wildcards="Listing secrets, tracing and Lambda's actions on network interfaces support no resources; "
        "replicated secrets and log streams get their names later. Denied explicitly: all other secrets, "
        "and network interfaces to the function's own code.",
    )
    suppress(
        template.resources["FunctionRoleAllow"],
        "CKV_AWS_111",
        "Lambda creates the network interfaces itself and requires these actions on all resources.",
    )
    return role


def _log_group_name(deployment: Deployment) -> str:
    return f"/aws/lambda/{deployment.function_name}"


def _environment(deployment: Deployment, connection: Secret) -> dict[str, object]:
    settings = deployment.replicator
    return {
        "BEANVAULT_CONNECTION_SECRET": Ref(connection),
        "BEANVAULT_MOUNT": ",".join(settings.mounts),
        "BEANVAULT_PREFIX": deployment.prefix,
        "BEANVAULT_OWNER": deployment.name,
        # The first is the default; a path's custom metadata can choose one of the others.
        "BEANVAULT_KMS_KEY_ID": Join(
            ",", [keys_layer.SECRETS_KEY_ARN.imported(deployment), *settings.key_aliases]
        ),
        "BEANVAULT_DELETION": settings.deletion,
        "BEANVAULT_MAX_DELETE_SHARE": str(settings.max_delete_share),
        "BEANVAULT_ADOPT": ",".join(adopted_names(deployment)),
        "BEANVAULT_REPLICA_REGIONS": ",".join(settings.replica_regions),
        "BEANVAULT_TOPIC_ARN": keys_layer.TOPIC_ARN.imported(deployment),
        "BEANVAULT_BUS_NAME": deployment.bus_name,
    }


def _add_function(
    template: Template, deployment: Deployment, *, connection: Secret, queue: Queue, bus: EventBus
) -> Function:
    log_group = add_log_group(template, deployment, LAYER, "FunctionLogGroup", _log_group_name(deployment))
    role = _add_role(template, deployment, connection=connection, queue=queue, bus=bus)
    replicator = template.add_resource(
        Function(
            "Function",
            FunctionName=deployment.function_name,
            Description="Replicates Vault to Secrets Manager: gather, plan, apply",
            Runtime=FUNCTION_RUNTIME.in_use,
            Handler="replicator.handler.handler",
            Code=Code(S3Bucket=Ref("FunctionCodeBucket"), S3Key=Ref("FunctionCodeKey")),
            Role=GetAtt(role, "Arn"),
            MemorySize=deployment.replicator.memory_mb,
            Timeout=deployment.replicator.timeout_seconds,
            # Two concurrent runs would plan against each other's unfinished changes.
            ReservedConcurrentExecutions=1,
            Environment=Environment(Variables=_environment(deployment, connection)),
            KmsKeyArn=keys_layer.FUNCTION_KEY_ARN.imported(deployment),
            VpcConfig=VPCConfig(
                SubnetIds=network_layer.APP_SUBNETS.imported(deployment),
                SecurityGroupIds=[security_groups.FUNCTION_SECURITY_GROUP.imported(deployment)],
            ),
            TracingConfig=TracingConfig(Mode="Active"),
            DeadLetterConfig=DeadLetterConfig(TargetArn=GetAtt(queue, "Arn")),
            LoggingConfig=_StructuredLogging(
                LogFormat="JSON", LogGroup=Ref(log_group), ApplicationLogLevel="INFO", SystemLogLevel="INFO"
            ),
            Tags=tags(deployment, LAYER),
        )
    )
    suppress(replicator, "AwsSolutions-L1", FUNCTION_RUNTIME_REASON)
    template.add_resource(
        EventInvokeConfig(
            "FunctionInvokeConfig",
            FunctionName=Ref(replicator),
            Qualifier="$LATEST",
            # After an hour a request is stale: the schedule has invoked the function again by then.
            MaximumEventAgeInSeconds=3600,
            MaximumRetryAttempts=2,
        )
    )
    return replicator
