"""RDS Proxy in the data layer, which logs in to the database with the replicated secret."""

from troposphere import AWSObject, Parameter, Ref, Template, rds

from templates import keys_layer, network_layer, security_groups
from templates.deployment import Deployment
from templates.policies.roles import add_role
from templates.policies.secret_statements import decrypt_secret, deny_reading_other_secrets, read_secret
from templates.policies.trust_policies import assumed_by
from templates.resource_tags import tags

CREDENTIAL_ARN = "CredentialArn"
"""The parameter with the replicated secret's ARN, which ends in six random characters."""


def add_proxy(
    template: Template, deployment: Deployment, layer: str, database: rds.DBInstance, *, depends_on: AWSObject
) -> rds.DBProxy:
    """Add the proxy, its role, and the rules that allow the application through it to the database.

    It reads the replicated secret, which has to exist: the targets become available only when the proxy can
    log in, and CloudFormation waits for them. So the deployer adds a proxy only once the credential exists.
    """
    secret = Ref(
        template.add_parameter(
            Parameter(
                CREDENTIAL_ARN,
                Type="String",
                Description="ARN of the replicated secret that the proxy logs in with",
            )
        )
    )
    role = add_role(
        template,
        "ProxyRole",
        trust=assumed_by("rds.amazonaws.com"),
        allow=[
            read_secret(secret),
            decrypt_secret(keys_layer.SECRETS_KEY_ARN.imported(deployment), secret),
        ],
        deny=[deny_reading_other_secrets(secret)],
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
                    Description="The replicated credential",
                )
            ],
            # Two zones are enough. Changing the subnets would replace the proxy.
            VpcSubnetIds=network_layer.APP_SUBNETS.imported(deployment)[:2],
            VpcSecurityGroupIds=[security_groups.PROXY_SECURITY_GROUP.imported(deployment)],
            Tags=tags(deployment, layer, "proxy"),
        )
    )
    instance, own, target = (
        security_groups.INSTANCE_SECURITY_GROUP,
        security_groups.PROXY_SECURITY_GROUP,
        security_groups.DATABASE_SECURITY_GROUP,
    )
    rules = [
        security_groups.add_ingress_between(
            template, deployment, instance, own, security_groups.PROXY_PORT, "Queries of the application"
        ),
        security_groups.add_ingress_between(
            template, deployment, own, target, deployment.database.port, "Pooled connections of the proxy"
        ),
    ]
    template.add_resource(
        rds.DBProxyTargetGroup(
            "ProxyTargetGroup",
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
