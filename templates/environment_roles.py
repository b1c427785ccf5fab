"""The two roles of the environment layer: Beanstalk's service role, and the instances' role.

The statements are in `templates/policies/`: the instances' in `instance_role`, `secrets` and
`shared_statements`.
"""

from awacs.aws import Statement
from troposphere import Parameter, Ref, Template
from troposphere.iam import Role

from replicator.contract.events import REPLICATION_REQUESTED
from templates import data_layer, keys_layer, replicator_layer
from templates.deployment import IAM_USER, Deployment
from templates.policies import arns, instance_role, shared_statements
from templates.policies.roles import add_role
from templates.policies.secret_statements import decrypt_secret, deny_reading_other_secrets, read_secret
from templates.policies.trust_policies import assumed_by, assumed_by_beanstalk
from templates.resource_tags import tags
from templates.suppressions import suppress

BUCKET_KEY_ARN = "BucketKeyArn"
"""The parameter with the key of a bucket that is older than the deployment: its owner chooses it."""


def add_service_role(template: Template, deployment: Deployment, layer: str) -> Role:
    """Add the role that Beanstalk itself assumes, to monitor health and update the platform."""
    role = add_role(
        template,
        "ServiceRole",
        trust=assumed_by_beanstalk(),
        allow=[
            shared_statements.encrypt_alerts(keys_layer.DATA_KEY_ARN.imported(deployment)),
            *_use_bucket_key(template, deployment),
        ],
        managed=[
            arns.aws_policy("service-role/AWSElasticBeanstalkEnhancedHealth"),
            arns.aws_policy("AWSElasticBeanstalkManagedUpdatesCustomerRolePolicy"),
        ],
        description="monitors health and updates the platform for Beanstalk",
        tags=tags(deployment, layer),
    )
    suppress(
        role,
        "AwsSolutions-IAM4",
        "What Beanstalk needs to monitor health and to update platforms changes with Beanstalk. AWS keeps "
        "these two policies up to date, and Beanstalk checks a service role for them.",
    )
    return role


def add_instance_role(template: Template, deployment: Deployment, layer: str) -> Role:
    """Add the role of the instances, which can read the app's one secret and request replication."""
    secret = arns.secret(deployment.credential_secret)
    bucket = arns.BEANSTALK_BUCKET
    app, environment = deployment.application_name, deployment.environment_name
    allow = [
        read_secret(secret),
        decrypt_secret(keys_layer.SECRETS_KEY_ARN.imported(deployment), secret),
        shared_statements.put_events(
            "RequestReplication", replicator_layer.BUS_ARN.imported(deployment), REPLICATION_REQUESTED
        ),
        instance_role.stream_logs([arns.log_streams(f"/aws/elasticbeanstalk/{environment}/*")]),
        instance_role.read_application_versions(
            [arns.objects(bucket, f"{app}/*"), arns.objects(bucket, "resources/environments/*")]
        ),
        instance_role.publish_logs(arns.objects(bucket, "resources/environments/logs/*")),
        *_use_bucket_key(template, deployment),
        instance_role.report_health([arns.application(app), arns.environment(app, environment)]),
        shared_statements.open_sessions(),
        shared_statements.register_with_systems_manager(),
    ]
    if deployment.database.mode == "iam":
        allow.append(
            instance_role.connect_to_database(
                arns.database_user(IAM_USER, data_layer.DATABASE_RESOURCE_ID.imported(deployment))
            )
        )
    return add_role(
        template,
        "InstanceRole",
        trust=assumed_by("ec2.amazonaws.com"),
        allow=allow,
        deny=[
            deny_reading_other_secrets(secret),
            instance_role.deny_changing_secrets_and_permissions(),
        ],
        description="runs the app's instances",
        tags=tags(deployment, layer),
        wildcards="Session Manager's channels support no resources; instances, log groups and Beanstalk's "
        "objects for its environments get their names later, below names of this deployment.",
    )


def _use_bucket_key(template: Template, deployment: Deployment) -> list[Statement]:
    """Return the permission for the key of a bucket that is older than the deployment.

    A created one has the key that AWS manages for S3, which needs none.
    """
    if deployment.storage.beanstalk_bucket == "create":
        return []
    if BUCKET_KEY_ARN not in template.parameters:
        described = "ARN of the KMS key of Beanstalk's bucket; of none (key/none) if S3 or AWS manages it"
        template.add_parameter(Parameter(BUCKET_KEY_ARN, Type="String", Description=described))
    bucket = arns.BEANSTALK_BUCKET
    return [shared_statements.use_bucket_key(Ref(BUCKET_KEY_ARN), arns.bucket(bucket), arns.objects(bucket))]
