"""The bootstrap in the data layer: a function in the VPC that makes schema and users, and its role."""

from troposphere import Parameter, Ref, Template, awslambda, cloudformation, logs, rds

from templates import aws_versions, keys, network, security_groups
from templates.deployment import APP_USERS, IAM_USER, SCHEMA, Deployment
from templates.policies import add_role, arns
from templates.policies.common import write_logs
from templates.policies.database import decrypt_secret, never_read_secrets_but, read_secret
from templates.policies.function import connect_to_network
from templates.policies.resource import assumed_by
from templates.shared import suppress, suppress_in_packs, tags

_CALLED_BY_CLOUDFORMATION = (
    "Only CloudFormation calls it, once per change and waiting for its answer: nothing to limit, no letter "
    "to lose."
)


def add_bootstrap(
    template: Template, deployment: Deployment, layer: str, database: rds.DBInstance
) -> cloudformation.CustomResource:
    """Add the function, and the custom resource that runs it whenever what it is told changes."""
    bucket = template.add_parameter(
        Parameter("BootstrapBucket", Type="String", Description="Bucket where the bootstrap's zip lies")
    )
    key = template.add_parameter(
        Parameter("BootstrapKey", Type="String", Description="Key of the bootstrap's zip in its bucket")
    )
    name = f"{deployment.name}-bootstrap"
    secret = database.get_att("MasterUserSecret.SecretArn")
    group = template.add_resource(
        logs.LogGroup(
            "BootstrapLogs",
            LogGroupName=f"/aws/lambda/{name}",
            KmsKeyId=keys.DATA_KEY_ARN.imported(deployment),
            RetentionInDays=deployment.logs.retention_days,
            Tags=tags(deployment, layer),
            **deployment.retention,
        )
    )
    role = add_role(
        template,
        "BootstrapRole",
        trust=assumed_by("lambda.amazonaws.com"),
        may=[
            read_secret(secret),
            decrypt_secret(keys.DATA_KEY_ARN.imported(deployment), secret),
            write_logs(arns.log_group(f"/aws/lambda/{name}")),
            connect_to_network(),
        ],
        never=[never_read_secrets_but(secret)],
        description="makes the application's schema and users with the master user's credential",
        tags=tags(deployment, layer),
        wildcards="Lambda's own work on network interfaces knows no resources; log streams get their names "
        "later.",
    )
    suppress(
        template.resources["BootstrapRoleMay"],
        "CKV_AWS_111",
        "Lambda makes the network interfaces itself and checks for these actions on all resources.",
    )
    function = template.add_resource(
        awslambda.Function(
            "BootstrapFunction",
            FunctionName=name,
            Description="makes the application's schema and users",
            Code=awslambda.Code(S3Bucket=Ref(bucket), S3Key=Ref(key)),
            Handler="bootstrap.handler.handler",
            Runtime=aws_versions.FUNCTION_RUNTIME.use,
            Role=role.get_att("Arn"),
            Timeout=180,
            MemorySize=256,
            LoggingConfig=awslambda.LoggingConfig(LogGroup=group.ref()),
            VpcConfig=awslambda.VPCConfig(
                SubnetIds=network.APP_SUBNETS.imported(deployment),
                SecurityGroupIds=[security_groups.BOOTSTRAP_SECURITY_GROUP.imported(deployment)],
            ),
            Tags=tags(deployment, layer),
        )
    )
    for rule in ("CKV_AWS_115", "CKV_AWS_116"):
        suppress(function, rule, _CALLED_BY_CLOUDFORMATION)
    for rule in ("LambdaConcurrency", "LambdaDLQ"):
        suppress_in_packs(function, rule, _CALLED_BY_CLOUDFORMATION, "HIPAA NIST")
    suppress(function, "AwsSolutions-L1", aws_versions.FUNCTION_RUNTIME_REASON)
    kind = type("Accounts", (cloudformation.CustomResource,), {"resource_type": "Custom::Accounts"})
    return template.add_resource(
        kind(
            "Accounts",
            ServiceToken=function.get_att("Arn"),
            ServiceTimeout="240",
            Host=database.get_att("Endpoint.Address"),
            Port=database.get_att("Endpoint.Port"),
            MasterSecret=secret,
            Schema=SCHEMA,
            Users=list(APP_USERS),
            IamUser=IAM_USER,
            CaFile=deployment.database.ca_file or "",
        )
    )
