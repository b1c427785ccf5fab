"""RDS Proxy in the data layer, which logs in to the database with the replicated secret."""

from troposphere import AWSObject, Tags, Template, rds, secretsmanager

from templates import keys, network, security_groups
from templates.deployment import Deployment
from templates.policies import add_role
from templates.policies.arns import OWNER_TAG, SOURCE_TAG
from templates.policies.database import decrypt_secret, never_read_secrets_but, read_secret
from templates.policies.resource import assumed_by
from templates.shared import suppress, suppress_in_packs, tag_map, tags


def add_proxy(
    template: Template, deployment: Deployment, layer: str, database: rds.DBInstance, *, depends_on: AWSObject
) -> rds.DBProxy:
    """Add the proxy, its role and the secret it reads."""
    secret = _add_secret(template, deployment, layer)
    role = add_role(
        template,
        "ProxyRole",
        trust=assumed_by("rds.amazonaws.com"),
        may=[
            read_secret(secret.ref()),
            decrypt_secret(keys.SECRETS_KEY_ARN.imported(deployment), secret.ref()),
        ],
        never=[never_read_secrets_but(secret.ref())],
        description="reads the replicated credential for the database proxy",
        tags=tags(deployment, layer),
    )
    proxy = template.add_resource(
        rds.DBProxy(
            "Proxy",
            DependsOn=[depends_on.title],
            DBProxyName=f"{deployment.name}-proxy",
            EngineFamily="MYSQL",
            RequireTLS=True,
            DebugLogging=False,  # it would log the text of queries
            IdleClientTimeout=1800,
            RoleArn=role.get_att("Arn"),
            Auth=[
                rds.AuthFormat(
                    AuthScheme="SECRETS",
                    SecretArn=secret.ref(),
                    IAMAuth="DISABLED",
                    ClientPasswordAuthType="MYSQL_CACHING_SHA2_PASSWORD",
                    Description="the replicated credential",
                )
            ],
            VpcSubnetIds=network.APP_SUBNETS.imported_list(deployment),
            VpcSecurityGroupIds=[security_groups.PROXY_SECURITY_GROUP.imported(deployment)],
            Tags=tags(deployment, layer, "proxy"),
        )
    )
    template.add_resource(
        rds.DBProxyTargetGroup(
            "ProxyTargets",
            DBProxyName=proxy.ref(),
            TargetGroupName="default",
            DBInstanceIdentifiers=[database.ref()],
            ConnectionPoolConfigurationInfo=rds.ConnectionPoolConfigurationInfoFormat(
                MaxConnectionsPercent=90, MaxIdleConnectionsPercent=50, ConnectionBorrowTimeout=30
            ),
        )
    )
    return proxy


def _add_secret(template: Template, deployment: Deployment, layer: str) -> secretsmanager.Secret:
    """Add the credential's secret, still empty, with the tags by which the replicator knows it as its own.

    The proxy wants the secret's ARN, which has six random characters, before anything is replicated.
    """
    owned = {
        OWNER_TAG: deployment.name,
        SOURCE_TAG: deployment.database.credential,
    }
    secret = template.add_resource(
        secretsmanager.Secret(
            "Credential",
            **deployment.retention,
            Name=deployment.credential_secret,
            Description="The application's database credential, replicated from Vault",
            KmsKeyId=keys.SECRETS_KEY_ARN.imported(deployment),
            Tags=Tags(**{**tag_map(deployment, layer), **owned}),
        )
    )
    rotated = "Vault rotates the credential, and the replicator brings it here."
    for rule in ("AwsSolutions-SMG4", "CKV2_AWS_57"):
        suppress(secret, rule, rotated)
    suppress_in_packs(secret, "SecretsManagerRotationEnabled", rotated, "HIPAA NIST")
    return secret
