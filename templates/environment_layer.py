"""The environment layer: the Beanstalk application and environment.

Its option settings are in `environment_options`, its roles in `environment_roles`. Which application version
runs is the deployer's decision, and managed updates move the platform's version on. A stack update must
revert neither: the stack names both versions while it creates the environment, and none from then on.
"""

from troposphere import Equals, GetAtt, If, NoValue, Parameter, Ref, Template
from troposphere.elasticbeanstalk import (
    Application,
    ApplicationResourceLifecycleConfig,
    ApplicationVersion,
    ApplicationVersionLifecycleConfig,
    Environment,
    MaxCountRule,
    SourceBundle,
)
from troposphere.iam import InstanceProfile

from templates import security_groups
from templates.deployment import Deployment
from templates.environment_options import option_settings
from templates.environment_roles import add_instance_role, add_service_role
from templates.layer_outputs import LayerOutput
from templates.log_groups import add_log_group
from templates.rendering import new_template
from templates.resource_tags import tags
from templates.suppressions import suppress

LAYER = "environment"
ENVIRONMENT_NAME = LayerOutput(LAYER, "EnvironmentName")
INSTANCE_ROLE_ARN = LayerOutput(LAYER, "InstanceRoleArn")

CREATING = "CreatingEnvironment"
"""The parameter and condition: true while the stack creates the environment."""
PLATFORM_ARN = "PlatformArn"
"""The parameter: the platform version, asked for while deploying. Empty once the environment runs it, so that
neither an update nor a roll-back takes back what a managed update has moved on.
"""
_KEEPS_PLATFORM = "KeepsPlatform"
APP_LOG = "var/log/beanvault/app.log"
LOGS = {
    "AppLogGroup": APP_LOG,
    "AccessLogGroup": "var/log/nginx/access.log",
    "ErrorLogGroup": "var/log/nginx/error.log",
    "OutputLogGroup": "var/log/web.stdout.log",
    "EngineLogGroup": "var/log/eb-engine.log",
    "HooksLogGroup": "var/log/eb-hooks.log",
    "HealthLogGroup": "environment-health.log",
}
"""The logs streamed to `/aws/elasticbeanstalk/<environment>/…`, by the logical id of their group:
the app's own log, the platform's, the environment's health.
 https://docs.aws.amazon.com/elasticbeanstalk/latest/dg/AWSHowTo.cloudwatchlogs.html
"""

_MAX_VERSIONS = 50


def build(deployment: Deployment) -> Template:
    """Return the template of the environment layer."""
    template = new_template(deployment, LAYER, "the Beanstalk application and its environment")
    service_role = add_service_role(template, deployment, LAYER)
    instance_role = add_instance_role(template, deployment, LAYER)
    profile = template.add_resource(InstanceProfile("InstanceProfile", Roles=[Ref(instance_role)]))
    application = template.add_resource(
        Application(
            "Application",
            ApplicationName=deployment.application_name,
            Description="The sample application",
            ResourceLifecycleConfig=ApplicationResourceLifecycleConfig(
                ServiceRole=GetAtt(service_role, "Arn"),
                VersionLifecycleConfig=ApplicationVersionLifecycleConfig(
                    MaxCountRule=MaxCountRule(Enabled=True, MaxCount=_MAX_VERSIONS, DeleteSourceFromS3=True)
                ),
            ),
        )
    )
    settings = option_settings(
        deployment, service_role=GetAtt(service_role, "Arn"), instance_profile=Ref(profile)
    )
    placeholder = _add_placeholder(template, application)
    groups = _add_logs(template, deployment)
    rules = _add_database_ingress(template, deployment)
    environment = template.add_resource(
        Environment(
            "Environment",
            DependsOn=[placeholder.title, *groups, *rules],
            VersionLabel=If(CREATING, Ref(placeholder), NoValue),
            ApplicationName=Ref(application),
            EnvironmentName=deployment.environment_name,
            Description=f"The application of {deployment.name}",
            PlatformArn=If(_add_platform(template, deployment), NoValue, Ref(PLATFORM_ARN)),
            OptionSettings=[setting.rendered() for setting in settings],
            Tags=tags(deployment, LAYER),
        )
    )
    suppress(
        environment,
        "W3005",
        "Once the stack names no version, only this keeps the placeholder while the environment may run it.",
    )
    template.add_output(
        [
            ENVIRONMENT_NAME.output(deployment, Ref(environment), "Name of the environment to deploy to"),
            INSTANCE_ROLE_ARN.output(deployment, GetAtt(instance_role, "Arn"), "ARN of the instances' role"),
        ]
    )
    return template


def _add_platform(template: Template, deployment: Deployment) -> str:
    """Add the parameter of the platform version, and return the condition that it names none.

    The ARN, because unlike the platform's name it can change without replacing the environment:
    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-elasticbeanstalk-environment.html
    """
    arn = template.add_parameter(
        Parameter(
            PLATFORM_ARN,
            Type="String",
            Description=f"ARN of the version of {deployment.platform_branch} to start with, empty to keep "
            "what the environment runs",
        )
    )
    template.add_condition(_KEEPS_PLATFORM, Equals(Ref(arn), ""))
    return _KEEPS_PLATFORM


def _add_placeholder(template: Template, application: Application) -> ApplicationVersion:
    """Add the first version: Beanstalk's sample application has no port 443, so would never be healthy."""
    bucket, key = (
        template.add_parameter(Parameter(f"PlaceholderBundle{name}", Type="String", Description=description))
        for name, description in (
            ("Bucket", "Bucket of the placeholder version's bundle"),
            ("Key", "Object key of the placeholder version's bundle"),
        )
    )
    creating = template.add_parameter(
        Parameter(
            CREATING,
            Type="String",
            AllowedValues=["true", "false"],
            Description="Whether the stack creates the environment, with the placeholder version",
        )
    )
    template.add_condition(CREATING, Equals(Ref(creating), "true"))
    return template.add_resource(
        ApplicationVersion(
            "PlaceholderVersion",
            DeletionPolicy="Delete",
            UpdateReplacePolicy="Retain",  # an environment can still run it when another replaces it
            ApplicationName=Ref(application),
            Description="Placeholder until the first version is deployed",
            SourceBundle=SourceBundle(S3Bucket=Ref(bucket), S3Key=Ref(key)),
        )
    )


def _add_logs(template: Template, deployment: Deployment) -> list[str]:
    """Add the log groups before Beanstalk creates them with AWS's key; return their logical ids."""
    return [
        add_log_group(
            template,
            deployment,
            LAYER,
            title,
            f"/aws/elasticbeanstalk/{deployment.environment_name}/{log}",
            "app",
        ).title
        for title, log in LOGS.items()
    ]


def _add_database_ingress(template: Template, deployment: Deployment) -> list[str]:
    """Allow instances into the database where no proxy is between; return the rule's logical id.

    Here and not with the groups: when a proxy is added or removed, the environment switches over while both
    ways are open, and the old one is closed afterwards.
    """
    if deployment.database.mode == "proxy":
        return []
    rule = security_groups.add_ingress_between(
        template,
        deployment,
        security_groups.INSTANCE_SECURITY_GROUP,
        security_groups.DATABASE_SECURITY_GROUP,
        deployment.database.port,
        "Queries of the application",
    )
    return [rule]
