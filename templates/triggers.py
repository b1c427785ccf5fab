"""What starts the function, in the replicator layer: the schedule, the bus, and the queue of what failed."""

from troposphere import GetAtt, Ref, Template
from troposphere.awslambda import Function, Permission
from troposphere.events import DeadLetterConfig, EventBus, EventBusPolicy, RetryPolicy, Rule, Target
from troposphere.sqs import Queue, QueuePolicy

from replicator.contract.events import REPLICATION_REQUESTED
from templates import keys
from templates.deployment import Deployment
from templates.policies import arns, document, resource
from templates.shared import tags

_TWO_WEEKS = 14 * 24 * 3600


def schedule_name(deployment: Deployment) -> str:
    """Return the name of the rule that starts the function regularly."""
    return f"{deployment.name}-replicator-schedule"


def request_rule_name(deployment: Deployment) -> str:
    """Return the name of the rule that starts the function when somebody asks."""
    return f"{deployment.name}-replication-requested"


def dead_letter_queue_name(deployment: Deployment) -> str:
    """Return the name of the queue that keeps what failed."""
    return f"{deployment.name}-replicator-failed"


def add_dead_letters(template: Template, deployment: Deployment, layer: str) -> Queue:
    """Add the queue that keeps what function and rules gave up on."""
    queue = template.add_resource(
        Queue(
            "DeadLetterQueue",
            QueueName=dead_letter_queue_name(deployment),
            KmsMasterKeyId=keys.FUNCTION_KEY_ARN.imported(deployment),
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
                    resource.dead_letters_of(rules, GetAtt(queue, "Arn")),
                    resource.only_over_tls(resource.ANY_QUEUE_ACTION, GetAtt(queue, "Arn")),
                ]
            ),
        )
    )
    return queue


def add_bus(template: Template, deployment: Deployment, layer: str) -> EventBus:
    """Add the bus for requests of replication and for events about replicated secrets."""
    bus = template.add_resource(
        EventBus(
            "Bus",
            Name=deployment.bus_name,
            Description="Asks for replication, and tells what was replicated; never a value",
            Tags=tags(deployment, layer),
        )
    )
    statement = resource.only_this_account(resource.PUT_EVENTS, GetAtt(bus, "Arn"))
    template.add_resource(
        EventBusPolicy(
            "BusPolicy",
            EventBusName=Ref(bus),
            StatementId=statement.properties["Sid"],
            Statement=statement.JSONrepr(),
        )
    )
    return bus


def add_triggers(
    template: Template, deployment: Deployment, replicator: Function, *, bus: EventBus, queue: Queue
) -> None:
    """Add the two rules that start the function, each with the permission to do so."""
    target = Target(
        Id="replicator",
        Arn=GetAtt(replicator, "Arn"),
        DeadLetterConfig=DeadLetterConfig(Arn=GetAtt(queue, "Arn")),
        RetryPolicy=RetryPolicy(MaximumEventAgeInSeconds=3600, MaximumRetryAttempts=20),
    )
    rules = [
        Rule(
            "Schedule",
            Name=schedule_name(deployment),
            Description="Replicates regularly, whether or not anybody asked",
            ScheduleExpression=deployment.replicator.schedule,
            State="ENABLED",
            Targets=[target],
        ),
        Rule(
            "ReplicationRequested",
            Name=request_rule_name(deployment),
            Description="Replicates within seconds when Vault's side or the app asks",
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
                SourceArn=GetAtt(rule, "Arn"),
                SourceAccount=Ref("AWS::AccountId"),
            )
        )
