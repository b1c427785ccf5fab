"""RDS Proxy in the data layer, which logs in to the database with the replicated secret."""

from troposphere import AWSObject, Parameter, Ref, Template, rds

from templates import keys, network, security_groups
from templates.deployment import Deployment
from templates.policies import add_role
from templates.policies.database import decrypt_secret, never_read_secrets_but, read_secret
from templates.policies.resource import assumed_by
from templates.shared import tags

CREDENTIAL_ARN = "CredentialArn"
"""The parameter that names the replicated secret; its ARN ends in six random characters."""


def add_proxy(
    template: Template, deployment: Deployment, layer: str, database: rds.DBInstance, *, depends_on: AWSObject
) -> rds.DBProxy:
    """Add the proxy, its role, and the rules that let the application through it to the database.

    It reads the replicated secret, which has to be there: the targets don't come up before the proxy can log
    in, and CloudFormation waits for them. So the deployer asks for a proxy only once there is a credential.
    """
    secret = Ref(
        template.add_parameter(
            Parameter(
                CREDENTIAL_ARN, Type="String", Description="The replicated secret that the proxy logs in with"
            )
        )
    )
    role = add_role(
        template,
        "ProxyRole",
        trust=assumed_by("rds.amazonaws.com"),
        may=[
            read_secret(secret),
            decrypt_secret(keys.SECRETS_KEY_ARN.imported(deployment), secret),
        ],
        never=[never_read_secrets_but(secret)],
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
                    SecretArn=secret,
                    IAMAuth="DISABLED",
                    ClientPasswordAuthType="MYSQL_CACHING_SHA2_PASSWORD",
                    Description="the replicated credential",
                )
            ],
            # Two zones are enough, and other subnets would be another proxy.
            VpcSubnetIds=network.APP_SUBNETS.imported(deployment)[:2],
            VpcSecurityGroupIds=[security_groups.PROXY_SECURITY_GROUP.imported(deployment)],
            Tags=tags(deployment, layer, "proxy"),
        )
    )
    instance, group, behind = (
        security_groups.INSTANCE_SECURITY_GROUP,
        security_groups.PROXY_SECURITY_GROUP,
        security_groups.DATABASE_SECURITY_GROUP,
    )
    rules = [
        security_groups.let_in(
            template, deployment, instance, group, security_groups.PROXY_PORT, "queries of the application"
        ),
        security_groups.let_in(
            template, deployment, group, behind, deployment.database.port, "pooled connections"
        ),
    ]
    template.add_resource(
        rds.DBProxyTargetGroup(
            "ProxyTargets",
            DependsOn=rules,
            DBProxyName=proxy.ref(),
            TargetGroupName="default",
            DBInstanceIdentifiers=[database.ref()],
            ConnectionPoolConfigurationInfo=rds.ConnectionPoolConfigurationInfoFormat(
                MaxConnectionsPercent=90, MaxIdleConnectionsPercent=50, ConnectionBorrowTimeout=30
            ),
        )
    )
    return proxy
