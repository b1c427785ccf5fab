"""What invokes the function, in the replicator layer: schedule, event bus and rules, dead-letter queue."""

from awacs import events as events_actions
from troposphere import GetAtt, Ref, Template
from troposphere.awslambda import Function, Permission
from troposphere.events import DeadLetterConfig, EventBus, EventBusPolicy, RetryPolicy, Rule, Target
from troposphere.sqs import Queue, QueuePolicy

from replicator.contract.events import REPLICATION_REQUESTED
from templates import keys_layer
from templates.deployment import Deployment
from templates.policies import arns, document, resource_policies
from templates.resource_tags import tags

_TWO_WEEKS = 14 * 24 * 3600


def schedule_name(deployment: Deployment) -> str:
    """Return the name of the rule that invokes the function on its schedule."""
    return f"{deployment.name}-replicator-schedule"


def request_rule_name(deployment: Deployment) -> str:
    """Return the name of the rule that invokes the function for a replication request."""
    return f"{deployment.name}-replication-requested"


def dead_letter_queue_name(deployment: Deployment) -> str:
    """Return the name of the queue of events that failed."""
    return f"{deployment.name}-replicator-failed"


def add_dead_letter_queue(template: Template, deployment: Deployment, layer: str) -> Queue:
    """Add the queue of events that the function failed on or the rules could not deliver."""
    queue = template.add_resource(
        Queue(
            "DeadLetterQueue",
            QueueName=dead_letter_queue_name(deployment),
            KmsMasterKeyId=keys_layer.FUNCTION_KEY_ARN.imported(deployment),
            MessageRetentionPeriod=_TWO_WEEKS,
            Tags=tags(deployment, layer),
        )
    )
    rules = [
        arns.rule(schedule_name(deployment)),
        arns.rule(request_rule_name(deployment), bus=deployment.bus_name),
    ]
    template.add_resource(
        QueuePolicy(
            "DeadLetterQueuePolicy",
            Queues=[Ref(queue)],
            PolicyDocument=document(
                [
                    resource_policies.send_dead_letters(rules, GetAtt(queue, "Arn")),
                    resource_policies.deny_insecure_transport(
                        resource_policies.ANY_QUEUE_ACTION, GetAtt(queue, "Arn")
                    ),
                ]
            ),
        )
    )
    return queue


def add_bus(template: Template, deployment: Deployment, layer: str) -> EventBus:
    """Add the event bus of replication requests and results."""
    bus = template.add_resource(
        EventBus(
            "EventBus",
            Name=deployment.bus_name,
            Description="Replication requests and results; events never contain a value",
            Tags=tags(deployment, layer),
        )
    )
    statement = resource_policies.deny_other_accounts(events_actions.PutEvents, GetAtt(bus, "Arn"))
    template.add_resource(
        EventBusPolicy(
            "EventBusPolicy",
            EventBusName=Ref(bus),
            StatementId=statement.properties["Sid"],
            Statement=statement.JSONrepr(),
        )
    )
    return bus


def add_triggers(
    template: Template, deployment: Deployment, replicator: Function, *, bus: EventBus, queue: Queue
) -> None:
    """Add the two rules that invoke the function, each with the permission to do so."""
    target = Target(
        Id="replicator",
        Arn=GetAtt(replicator, "Arn"),
        DeadLetterConfig=DeadLetterConfig(Arn=GetAtt(queue, "Arn")),
        RetryPolicy=RetryPolicy(MaximumEventAgeInSeconds=3600, MaximumRetryAttempts=20),
    )
    rules = [
        Rule(
            "ScheduleRule",
            Name=schedule_name(deployment),
            Description="Invokes the replicator on its schedule",
            ScheduleExpression=deployment.replicator.schedule,
            State="ENABLED",
            Targets=[target],
        ),
        Rule(
            "ReplicationRequestedRule",
            Name=request_rule_name(deployment),
            Description="Invokes the replicator for a request of Vault's side, the app or an operator",
            EventBusName=Ref(bus),
            EventPattern={
                "source": [REPLICATION_REQUESTED.source],
                "detail-type": [REPLICATION_REQUESTED.detail_type],
            },
            State="ENABLED",
            Targets=[target],
        ),
    ]
    for rule in rules:
        template.add_resource(rule)
        template.add_resource(
            Permission(
                f"{rule.title}Permission",
                Action="lambda:InvokeFunction",
                FunctionName=Ref(replicator),
                Principal="events.amazonaws.com",
                # The ARN names the account. EventBridge may send no `aws:SourceAccount`, so a condition on it
                # could lose every event: https://github.com/awsdocs/aws-cloudformation-user-guide/pull/481
                SourceArn=GetAtt(rule, "Arn"),
            )
        )
