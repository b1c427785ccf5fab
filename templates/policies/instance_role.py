"""The permissions of Beanstalk's instances (`InstanceRole`), and so of the app, besides reading its secret.

Reading one secret is in `secrets`; what other roles have too is in `shared_statements`.
"""

from collections.abc import Sequence

from awacs import elasticbeanstalk, kms, logs, rds_db, s3, secretsmanager, sts
from awacs.aws import Action, Allow, Deny, Statement

from templates.policies import Arn


def connect_to_database(user: Arn) -> Statement:
    """Log in to the database as one user, with a token instead of a password."""
    return Statement(
        Sid="ConnectToDatabase", Effect=Allow, Action=[rds_db.Action("connect")], Resource=[user]
    )


def stream_logs(groups: Sequence[Arn]) -> Statement:
    """Write to the environment's own log groups, which its stack creates."""
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
    """Report enhanced health, which `EnhancedHealthAuthEnabled` requires permission for."""
    return Statement(
        Sid="ReportHealth",
        Effect=Allow,
        Action=[elasticbeanstalk.PutInstanceStatistics],
        Resource=list(resources),
    )


def deny_changing_secrets_and_permissions() -> Statement:
    """Deny changes to secrets, permissions and keys, and assuming another role."""
    return Statement(
        Sid="DenyChangingSecretsAndPermissions",
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
