"""The bootstrap in the data layer: a function in the VPC that creates schema and users, and its role."""

from troposphere import Parameter, Ref, Template, awslambda, cloudformation, rds

from templates import aws_versions, keys_layer, network_layer, security_groups
from templates.deployment import APP_USERS, IAM_USER, SCHEMA, Deployment
from templates.inline_function import add_custom_resource, suppress_in_custom_resource
from templates.log_groups import add_log_group
from templates.policies import arns
from templates.policies.roles import add_role
from templates.policies.secret_statements import decrypt_secret, deny_reading_other_secrets, read_secret
from templates.policies.shared_statements import manage_network_interfaces, write_logs
from templates.policies.trust_policies import assumed_by
from templates.resource_tags import tags
from templates.suppressions import suppress


def add_bootstrap(
    template: Template, deployment: Deployment, layer: str, database: rds.DBInstance
) -> cloudformation.CustomResource:
    """Add the function, and the custom resource that runs it whenever its properties change."""
    bucket = template.add_parameter(
        Parameter("BootstrapCodeBucket", Type="String", Description="Bucket of the bootstrap function's zip")
    )
    key = template.add_parameter(
        Parameter("BootstrapCodeKey", Type="String", Description="Object key of the bootstrap function's zip")
    )
    name = f"{deployment.name}-bootstrap"
    secret = database.get_att("MasterUserSecret.SecretArn")
    group = add_log_group(template, deployment, layer, "BootstrapLogGroup", f"/aws/lambda/{name}")
    role = add_role(
        template,
        "BootstrapRole",
        trust=assumed_by("lambda.amazonaws.com"),
        allow=[
            read_secret(secret),
            decrypt_secret(keys_layer.DATA_KEY_ARN.imported(deployment), secret),
            write_logs(arns.log_streams(f"/aws/lambda/{name}")),
            manage_network_interfaces(),
        ],
        deny=[deny_reading_other_secrets(secret)],
        description="creates the application's schema and users with the master user's credential",
        tags=tags(deployment, layer),
        wildcards="Lambda's actions on network interfaces support no resources, and log streams get their "
        "names later.",
    )
    suppress(
        template.resources["BootstrapRoleAllow"],
        "CKV_AWS_111",
        "Lambda creates the network interfaces itself and requires these actions on all resources.",
    )
    function = template.add_resource(
        awslambda.Function(
            "BootstrapFunction",
            FunctionName=name,
            Description="Creates the application's schema and users",
            Code=awslambda.Code(S3Bucket=Ref(bucket), S3Key=Ref(key)),
            Handler="bootstrap.handler.handler",
            Runtime=aws_versions.FUNCTION_RUNTIME.in_use,
            Role=role.get_att("Arn"),
            Timeout=180,
            MemorySize=256,
            LoggingConfig=awslambda.LoggingConfig(LogGroup=group.ref()),
            VpcConfig=awslambda.VPCConfig(
                SubnetIds=network_layer.APP_SUBNETS.imported(deployment),
                SecurityGroupIds=[security_groups.BOOTSTRAP_SECURITY_GROUP.imported(deployment)],
            ),
            Tags=tags(deployment, layer),
        )
    )
    suppress_in_custom_resource(function)
    return add_custom_resource(
        template,
        "DatabaseBootstrap",
        function,
        wait_seconds=240,
        properties={
            "Host": database.get_att("Endpoint.Address"),
            "Port": database.get_att("Endpoint.Port"),
            "MasterSecret": secret,
            "Schema": SCHEMA,
            "Users": list(APP_USERS),
            "IamUser": IAM_USER,
        },
    )
