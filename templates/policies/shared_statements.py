"""Permissions that several roles have. Reading a secret is in `secrets`."""

from awacs import ec2, events, kms, logs, ssm, ssmmessages
from awacs.aws import Allow, Condition, Statement, StringEquals, StringLike
from troposphere import Sub

from replicator.contract.events import EventType
from templates.policies import Arn, arns

# What Lambda does with a function's role to connect it to the VPC. None of it supports resources.
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-permissions
NETWORK_INTERFACE_ACTIONS = [
    ec2.AssignPrivateIpAddresses,
    ec2.CreateNetworkInterface,
    ec2.DeleteNetworkInterface,
    ec2.DescribeNetworkInterfaces,
    ec2.DescribeSubnets,
    ec2.UnassignPrivateIpAddresses,
]


def encrypt_alerts(key: Arn) -> Statement:
    """Encrypt messages to the topic with its key, and nothing else."""
    return Statement(
        Sid="EncryptAlerts",
        Effect=Allow,
        Action=[kms.Decrypt, kms.GenerateDataKey],
        Resource=[key],
        Condition=Condition([StringEquals({"kms:ViaService": Sub("sns.${AWS::Region}.amazonaws.com")})]),
    )


def use_bucket_key(key: Arn, bucket: Arn, objects: Arn) -> Statement:
    """Let S3 encrypt and decrypt the objects of this bucket with its key.

    The context is the bucket where it has a bucket key, else the object:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-key.html
    """
    return Statement(
        Sid="UseBucketKey",
        Effect=Allow,
        Action=[kms.Decrypt, kms.GenerateDataKey],
        Resource=[key],
        Condition=Condition(
            [
                StringEquals({"kms:ViaService": Sub("s3.${AWS::Region}.amazonaws.com")}),
                StringLike({"kms:EncryptionContext:aws:s3:arn": [bucket, objects]}),
            ]
        ),
    )


def put_events(sid: str, bus: Arn, event: EventType) -> Statement:
    """Put one kind of event on one bus."""
    return Statement(
        Sid=sid,
        Effect=Allow,
        Action=[events.PutEvents],
        Resource=[bus],
        Condition=Condition(
            [StringEquals({"events:source": event.source, "events:detail-type": event.detail_type})]
        ),
    )


def write_logs(group: Arn) -> Statement:
    """Write to a log group that exists."""
    return Statement(
        Sid="WriteLogs", Effect=Allow, Action=[logs.CreateLogStream, logs.PutLogEvents], Resource=[group]
    )


def manage_network_interfaces() -> Statement:
    """Let Lambda create and delete the function's network interfaces."""
    return Statement(
        Sid="ManageNetworkInterfaces", Effect=Allow, Action=NETWORK_INTERFACE_ACTIONS, Resource=["*"]
    )


def open_sessions() -> Statement:
    """Open sessions without SSH. The actions support no resources of the instance's own.

    Narrower than AmazonSSMManagedInstanceCore, which also reads every parameter of the account:
    https://docs.aws.amazon.com/systems-manager/latest/userguide/getting-started-create-iam-instance-profile.html
    """
    return Statement(
        Sid="OpenSessions",
        Effect=Allow,
        Action=[
            ssmmessages.CreateControlChannel,
            ssmmessages.CreateDataChannel,
            ssmmessages.OpenControlChannel,
            ssmmessages.OpenDataChannel,
        ],
        Resource=["*"],
    )


def register_with_systems_manager() -> Statement:
    """Register the instance with Systems Manager, so that sessions can find it."""
    return Statement(
        Sid="RegisterWithSystemsManager",
        Effect=Allow,
        Action=[ssm.UpdateInstanceInformation],
        Resource=[arns.instances()],
    )
