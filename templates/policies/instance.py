"""The permissions of Beanstalk's instances, and so of the app: it reads one secret and writes none."""

from collections.abc import Sequence

from awacs import (
    elasticbeanstalk,
    kms,
    logs,
    rds_db,
    s3,
    secretsmanager,
    ssm,
    ssmmessages,
    sts,
)
from awacs.aws import Action, Allow, Condition, Deny, Statement, StringEquals, StringLike
from troposphere import Sub

from templates.policies import Arn


def read_secret(secret: Arn) -> Statement:
    """Read the app's database credential."""
    return Statement(
        Sid="ReadTheDatabaseCredential",
        Effect=Allow,
        Action=[secretsmanager.DescribeSecret, secretsmanager.GetSecretValue],
        Resource=[secret],
    )


def decrypt_secret(key: Arn, secret: Arn) -> Statement:
    """Let Secrets Manager decrypt that one secret."""
    return Statement(
        Sid="DecryptTheDatabaseCredential",
        Effect=Allow,
        Action=[kms.Decrypt],
        Resource=[key],
        Condition=Condition(
            [
                StringEquals({"kms:ViaService": Sub("secretsmanager.${AWS::Region}.amazonaws.com")}),
                StringLike({"kms:EncryptionContext:SecretARN": secret}),
            ]
        ),
    )


def connect_to_database(user: Arn) -> Statement:
    """Log in to the database as one user, with a token instead of a password."""
    return Statement(
        Sid="ConnectToTheDatabase", Effect=Allow, Action=[rds_db.Action("connect")], Resource=[user]
    )


def stream_logs(groups: Sequence[Arn]) -> Statement:
    """Write to the environment's own log groups, which its stack makes."""
    return Statement(
        Sid="StreamLogs",
        Effect=Allow,
        Action=[logs.CreateLogStream, logs.DescribeLogStreams, logs.PutLogEvents],
        Resource=list(groups),
    )


def read_application_versions(objects: Sequence[Arn]) -> Statement:
    """Fetch the source bundle and Beanstalk's own files for the instance."""
    return Statement(
        Sid="ReadApplicationVersions",
        Effect=Allow,
        Action=[s3.GetObject, s3.GetObjectVersion],
        Resource=list(objects),
    )


def publish_logs(objects: Arn) -> Statement:
    """Put rotated logs into Beanstalk's bucket (`LogPublicationControl`)."""
    return Statement(Sid="PublishLogs", Effect=Allow, Action=[s3.PutObject], Resource=[objects])


def report_health(resources: Sequence[Arn]) -> Statement:
    """Report enhanced health, which `EnhancedHealthAuthEnabled` asks permission for."""
    return Statement(
        Sid="ReportHealth",
        Effect=Allow,
        Action=[elasticbeanstalk.PutInstanceStatistics],
        Resource=list(resources),
    )


def session_manager() -> Statement:
    """Open sessions without SSH. The actions know no resources of the instance's own.

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


def be_managed() -> Statement:
    """Tell Systems Manager that the instance is there, without which no session finds it."""
    return Statement(
        Sid="BeManaged",
        Effect=Allow,
        Action=[ssm.UpdateInstanceInformation],
        Resource=[Sub("arn:${AWS::Partition}:ec2:${AWS::Region}:${AWS::AccountId}:instance/*")],
    )


def never_read_secrets_but(secret: Arn) -> Statement:
    """Never read another secret."""
    return Statement(
        Sid="NeverReadOtherSecrets",
        Effect=Deny,
        Action=[secretsmanager.BatchGetSecretValue, secretsmanager.GetSecretValue],
        NotResource=[secret],
    )


def never_write() -> Statement:
    """Never change a secret, a permission or a key; never become somebody else."""
    return Statement(
        Sid="NeverChangeSecretsOrPermissions",
        Effect=Deny,
        Action=[
            Action("iam", "*"),
            kms.CreateGrant,
            kms.PutKeyPolicy,
            kms.ScheduleKeyDeletion,
            secretsmanager.CreateSecret,
            secretsmanager.DeleteSecret,
            secretsmanager.PutResourcePolicy,
            secretsmanager.PutSecretValue,
            secretsmanager.RestoreSecret,
            secretsmanager.TagResource,
            secretsmanager.UntagResource,
            secretsmanager.UpdateSecret,
            secretsmanager.UpdateSecretVersionStage,
            sts.AssumeRole,
        ],
        Resource=["*"],
    )
