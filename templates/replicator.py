"""The replicator layer: the function that moves Secrets Manager towards Vault, and what starts it."""

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
from troposphere.logs import LogGroup
from troposphere.secretsmanager import ResourcePolicy, Secret
from troposphere.sqs import Queue

from replicator.contract.events import REPLICATION_REQUESTED, SECRET_REPLICATED
from templates import keys, network, security_groups, triggers
from templates.aws_versions import FUNCTION_RUNTIME, FUNCTION_RUNTIME_REASON
from templates.deployment import Deployment
from templates.policies import add_role, arns, common, document, function, function_never, resource
from templates.shared import LayerOutput, new_template, suppress, suppress_in_packs, tags

LAYER = "replicator"
FUNCTION_ARN = LayerOutput(LAYER, "FunctionArn")
BUS_ARN = LayerOutput(LAYER, "BusArn")
CONNECTION_SECRET_ARN = LayerOutput(LAYER, "ConnectionSecretArn")
DEAD_LETTER_QUEUE_NAME = LayerOutput(LAYER, "DeadLetterQueueName")


class _StructuredLogging(LoggingConfig):  # type: ignore[misc]  # troposphere ships no types
    """Troposphere 4.11 took `LogFormat` for a property of another resource's logging only."""

    props: ClassVar = {**LoggingConfig.props, "LogFormat": (str, True)}


def token_audience(deployment: Deployment) -> str:
    """Return the one audience for which the function may ask AWS for a JWT; Vault's role has to bind it."""
    return f"{deployment.name}-vault"


def adopted_names(deployment: Deployment) -> list[str]:
    """Return the full names of the secrets that replication may take over."""
    return [f"{deployment.prefix}/{name}" for name in deployment.replicator.adopt]


def build(deployment: Deployment) -> Template:
    """Return the template of the replicator layer."""
    template = new_template(deployment, LAYER, "the function that replicates Vault to Secrets Manager")
    for name, what in (("FunctionBucket", "The bucket"), ("FunctionKey", "The object key")):
        template.add_parameter(Parameter(name, Type="String", Description=f"{what} of the function's zip"))

    connection = _add_connection_secret(template, deployment)
    queue = triggers.add_dead_letters(template, deployment, LAYER)
    bus = triggers.add_bus(template, deployment, LAYER)
    replicator = _add_function(template, deployment, connection=connection, queue=queue, bus=bus)
    triggers.add_triggers(template, deployment, replicator, bus=bus, queue=queue)

    template.add_output(
        [
            FUNCTION_ARN.output(deployment, GetAtt(replicator, "Arn"), "The replicator function"),
            BUS_ARN.output(deployment, GetAtt(bus, "Arn"), "The bus on which replication is asked for"),
            CONNECTION_SECRET_ARN.output(
                deployment, Ref(connection), "Where Vault is; written by beanvault connect"
            ),
            DEAD_LETTER_QUEUE_NAME.output(
                deployment, GetAtt(queue, "QueueName"), "What the function failed on"
            ),
        ]
    )
    return template


def _add_connection_secret(template: Template, deployment: Deployment) -> Secret:
    """Add the secret without a value: credentials never pass through a template or a parameter."""
    secret = template.add_resource(
        Secret(
            "ConnectionSecret",
            Name=deployment.connection_secret,
            Description="Where Vault is and how the replicator logs in; written by `beanvault connect`",
            KmsKeyId=keys.FUNCTION_KEY_ARN.imported(deployment),
            Tags=tags(deployment, LAYER),
            **deployment.retention,
        )
    )
    login = "It holds a login at Vault, which only Vault can change; `beanvault connect` writes the new one."
    suppress(secret, "AwsSolutions-SMG4", login)
    suppress_in_packs(secret, "SecretsManagerRotationEnabled", login, "HIPAA NIST")
    template.add_resource(
        ResourcePolicy(
            "ConnectionSecretPolicy",
            SecretId=Ref(secret),
            BlockPublicPolicy=True,
            ResourcePolicy=document(
                [
                    resource.only_this_account(resource.ANY_SECRET_ACTION, "*"),
                    resource.only_over_tls(resource.ANY_SECRET_ACTION, "*"),
                ]
            ),
        )
    )
    return secret


def _role(
    template: Template, deployment: Deployment, *, connection: Secret, queue: Queue, bus: EventBus
) -> Role:
    below = arns.secrets_below(deployment.prefix)
    key = keys.FUNCTION_KEY_ARN.imported(deployment)
    topic = keys.TOPIC_ARN.imported(deployment)
    may = [
        function.list_secrets(),
        function.describe_secrets(below),
        function.create_owned_secrets(below, deployment.name),
        function.tag_unowned_secrets(below, deployment.name),
        function.change_owned_secrets(below, deployment.name),
        function.encrypt_secrets(keys.SECRETS_KEY_ARN.imported(deployment), below),
        function.use_connection_secret(Ref(connection)),
        function.remember_health(Ref(connection)),
        function.use_function_key(key),
        function.publish(topic),
        common.encrypt_alerts(keys.DATA_KEY_ARN.imported(deployment)),
        common.put_events("AskForContinuation", GetAtt(bus, "Arn"), REPLICATION_REQUESTED),
        common.put_events("TellWhatChanged", GetAtt(bus, "Arn"), SECRET_REPLICATED),
        function.send_failures(GetAtt(queue, "Arn")),
        common.write_logs(arns.log_group(_log_group_name(deployment))),
        function.get_identity_token(token_audience(deployment)),
        function.trace(),
        function.connect_to_network(),
    ]
    settings = deployment.replicator
    if settings.replica_regions:
        may.append(function.replicate_owned_secrets(below, deployment.name))
    if settings.key_aliases:
        may.append(function.encrypt_with_aliased_keys(settings.key_aliases, below))
    adopted = [arns.secret(name) for name in adopted_names(deployment)]
    never = [
        function_never.never_read_secrets_but(Ref(connection)),
        function_never.never_write_secrets_but([below, Ref(connection)]),
        function_never.never_disown(deployment.name),
        function_never.never_remove_ownership(),
        function_never.never_delete_at_once(),
        function_never.never_change_permissions(),
        function_never.never_touch_network_itself(arns.function(deployment.function_name)),
    ]
    role = add_role(
        template,
        "FunctionRole",
        trust=resource.assumed_by("lambda.amazonaws.com"),
        may=may,
        listed=[function.adopt_secrets(adopted, deployment.name)] if adopted else [],
        never=never,
        description="replicates Vault to Secrets Manager; writes secrets and can't read them",
        tags=tags(deployment, LAYER),
        wildcards="Listing secrets, tracing and Lambda's own work on network interfaces know no resources; "
        "replicated secrets and log streams get their names later. Denied explicitly: all secrets elsewhere, "
        "and the interfaces to the function's own code.",
    )
    suppress(
        template.resources["FunctionRoleMay"],
        "CKV_AWS_111",
        "Lambda makes the network interfaces itself and checks for these actions on all resources.",
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
        # The first is for all secrets; a path's custom metadata may ask for one of the others.
        "BEANVAULT_KMS_KEY_ID": Join(",", [keys.SECRETS_KEY_ARN.imported(deployment), *settings.key_aliases]),
        "BEANVAULT_DELETION": settings.deletion,
        "BEANVAULT_MAX_DELETE_SHARE": str(settings.max_delete_share),
        "BEANVAULT_ADOPT": ",".join(adopted_names(deployment)),
        "BEANVAULT_REPLICA_REGIONS": ",".join(settings.replica_regions),
        "BEANVAULT_TOPIC_ARN": keys.TOPIC_ARN.imported(deployment),
        "BEANVAULT_BUS_NAME": deployment.bus_name,
    }


def _add_function(
    template: Template, deployment: Deployment, *, connection: Secret, queue: Queue, bus: EventBus
) -> Function:
    log_group = template.add_resource(
        LogGroup(
            "FunctionLogs",
            LogGroupName=_log_group_name(deployment),
            KmsKeyId=keys.DATA_KEY_ARN.imported(deployment),
            RetentionInDays=deployment.logs.retention_days,
            Tags=tags(deployment, LAYER),
            **deployment.retention,
        )
    )
    role = _role(template, deployment, connection=connection, queue=queue, bus=bus)
    replicator = template.add_resource(
        Function(
            "Function",
            FunctionName=deployment.function_name,
            Description="Replicates Vault to Secrets Manager: gather, plan, apply",
            Runtime=FUNCTION_RUNTIME.use,
            Handler="replicator.handler.handler",
            Code=Code(S3Bucket=Ref("FunctionBucket"), S3Key=Ref("FunctionKey")),
            Role=GetAtt(role, "Arn"),
            MemorySize=deployment.replicator.memory_mb,
            Timeout=deployment.replicator.timeout_seconds,
            # Two runs at once would plan against each other's half-done work.
            ReservedConcurrentExecutions=1,
            Environment=Environment(Variables=_environment(deployment, connection)),
            KmsKeyArn=keys.FUNCTION_KEY_ARN.imported(deployment),
            VpcConfig=VPCConfig(
                SubnetIds=network.APP_SUBNETS.imported(deployment),
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
            "FunctionInvocations",
            FunctionName=Ref(replicator),
            Qualifier="$LATEST",
            # What could not start within an hour is stale: the schedule has asked again by then.
            MaximumEventAgeInSeconds=3600,
            MaximumRetryAttempts=2,
        )
    )
    return replicator
