"""The environment layer: the Beanstalk application and environment, and the roles they run under.

The option settings stand here and not in `.ebextensions`, because what is set on the environment wins over
what a source bundle says. Which application version runs is the deployer's decision, and a stack update must
not take it back: the environment's stack names a version while it is created, and none from then on.
"""

from troposphere import Equals, GetAtt, If, Join, NoValue, Parameter, Ref, Sub, Template, logs
from troposphere.elasticbeanstalk import (
    Application,
    ApplicationResourceLifecycleConfig,
    ApplicationVersion,
    ApplicationVersionLifecycleConfig,
    Environment,
    MaxCountRule,
    SourceBundle,
)
from troposphere.iam import InstanceProfile, Role

from replicator.contract.events import REPLICATION_REQUESTED
from templates import data, edge, keys, network, replicator, security_groups, storage
from templates.aws_versions import PLATFORM
from templates.deployment import IAM_USER, SCHEMA, Deployment
from templates.options import OptionSetting
from templates.policies import Arn, add_role, arns, common, instance, resource
from templates.shared import LayerOutput, new_template, suppress, tags

LAYER = "environment"
ENVIRONMENT_NAME = LayerOutput(LAYER, "EnvironmentName")
INSTANCE_ROLE_ARN = LayerOutput(LAYER, "InstanceRoleArn")

CREATING = "Creating"
"""The parameter that says whether the environment is being created."""
APP_LOG = "var/log/beanvault/app.log"
LOGS = {
    "AppLog": APP_LOG,
    "AccessLog": "var/log/nginx/access.log",
    "ErrorLog": "var/log/nginx/error.log",
    "OutputLog": "var/log/web.stdout.log",
    "EngineLog": "var/log/eb-engine.log",
    "HooksLog": "var/log/eb-hooks.log",
    "HealthLog": "environment-health.log",
}
"""What is streamed below `/aws/elasticbeanstalk/<environment>/`: the bundle's own log, the platform's, the
environment's health. https://docs.aws.amazon.com/elasticbeanstalk/latest/dg/AWSHowTo.cloudwatchlogs.html
"""

_KEPT_VERSIONS = 50


def build(deployment: Deployment) -> Template:
    """Return the template of the environment layer."""
    template = new_template(deployment, LAYER, "the Beanstalk application and its environment")
    service_role = _add_service_role(template, deployment)
    instance_role = _add_instance_role(template, deployment)
    profile = template.add_resource(InstanceProfile("InstanceProfile", Roles=[Ref(instance_role)]))
    application = template.add_resource(
        Application(
            "Application",
            ApplicationName=deployment.application_name,
            Description="The sample application",
            ResourceLifecycleConfig=ApplicationResourceLifecycleConfig(
                ServiceRole=GetAtt(service_role, "Arn"),
                VersionLifecycleConfig=ApplicationVersionLifecycleConfig(
                    MaxCountRule=MaxCountRule(Enabled=True, MaxCount=_KEPT_VERSIONS, DeleteSourceFromS3=True)
                ),
            ),
        )
    )
    settings = option_settings(
        deployment, service_role=GetAtt(service_role, "Arn"), instance_profile=Ref(profile)
    )
    placeholder = _add_placeholder(template, application)
    groups = _add_logs(template, deployment)
    rules = _add_way_to_database(template, deployment)
    environment = template.add_resource(
        Environment(
            "Environment",
            DependsOn=[placeholder.title, *groups, *rules],
            VersionLabel=If(CREATING, Ref(placeholder), NoValue),
            ApplicationName=Ref(application),
            EnvironmentName=deployment.environment_name,
            Description=f"The application of {deployment.name}",
            PlatformArn=_platform_arn(deployment),
            OptionSettings=[setting.rendered() for setting in settings],
            Tags=tags(deployment, LAYER),
        )
    )
    suppress(
        environment,
        "W3005",
        "Once the stack names no version, only this lets the placeholder outlive what may run it.",
    )
    template.add_output(
        [
            ENVIRONMENT_NAME.output(deployment, Ref(environment), "The environment to deploy to"),
            INSTANCE_ROLE_ARN.output(deployment, GetAtt(instance_role, "Arn"), "The role of the instances"),
        ]
    )
    return template


def _platform_arn(deployment: Deployment) -> str:
    """Return the platform's ARN: unlike its name it can change without another environment.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-elasticbeanstalk-environment.html
    """
    system, _, language = (deployment.app.platform or PLATFORM.use).partition(" running ")
    system, _, version = system.rpartition(" v")
    return (
        f"arn:{deployment.partition}:elasticbeanstalk:{deployment.region}::platform/"
        f"{language} running on {system}/{version}"
    )


def option_settings(
    deployment: Deployment, *, service_role: Arn, instance_profile: Arn
) -> list[OptionSetting]:
    """Return all option settings of the environment, in AWS's order of namespaces."""
    options: dict[str, dict[str, Arn]] = {
        "aws:autoscaling:asg": {
            "MinSize": str(deployment.app.min_instances),
            "MaxSize": str(deployment.app.max_instances),
        },
        "aws:autoscaling:launchconfiguration": {
            "DisableDefaultEC2SecurityGroup": "true",
            "DisableIMDSv1": "true",
            "IamInstanceProfile": instance_profile,
            "LaunchTemplateTagPropagationEnabled": "true",
            "MonitoringInterval": "1 minute",
            "RootVolumeType": "gp3",
            "SecurityGroups": security_groups.INSTANCE_SECURITY_GROUP.imported(deployment),
        },
        "aws:autoscaling:trigger": {
            "MeasureName": "CPUUtilization",
            "Statistic": "Average",
            "Unit": "Percent",
            "LowerThreshold": "25",
            "UpperThreshold": "60",
        },
        "aws:autoscaling:updatepolicy:rollingupdate": {
            "RollingUpdateEnabled": "true",
            "RollingUpdateType": "Immutable",
        },
        "aws:ec2:instances": {
            "EnableSpot": "false",
            "InstanceTypes": ",".join(deployment.app.instance_types),
        },
        "aws:ec2:vpc": {
            "VPCId": network.VPC_ID.imported(deployment),
            "Subnets": Join(",", network.APP_SUBNETS.imported(deployment)),
            "ELBSubnets": Join(",", network.PUBLIC_SUBNETS.imported(deployment)),
            "ELBScheme": "public",
            "AssociatePublicIpAddress": "false",
        },
        "aws:elasticbeanstalk:application:environment": application_environment(deployment),
        "aws:elasticbeanstalk:cloudwatch:logs": _log_options(deployment, "StreamLogs"),
        "aws:elasticbeanstalk:cloudwatch:logs:health": _log_options(deployment, "HealthStreamingEnabled"),
        "aws:elasticbeanstalk:command": {"DeploymentPolicy": "Immutable", "IgnoreHealthCheck": "false"},
        "aws:elasticbeanstalk:environment": {
            "EnvironmentType": "LoadBalanced",
            # Both: the type alone would make a second load balancer, and the default type is classic.
            "LoadBalancerType": "application",
            "LoadBalancerIsShared": "true",
            "ServiceRole": service_role,
        },
        "aws:elasticbeanstalk:environment:process:default": {
            "Port": "443",
            "Protocol": "HTTPS",
            "HealthCheckPath": "/healthz",
            "MatcherHTTPCode": "200",
            "HealthCheckInterval": "15",
            "HealthCheckTimeout": "5",
            "DeregistrationDelay": "20",
        },
        "aws:elasticbeanstalk:environment:proxy": {"ProxyServer": "nginx"},
        "aws:elasticbeanstalk:healthreporting:system": {
            "SystemType": "enhanced",
            "EnhancedHealthAuthEnabled": "true",
        },
        "aws:elasticbeanstalk:hostmanager": {"LogPublicationControl": "true"},
        "aws:elasticbeanstalk:managedactions": {
            "ManagedActionsEnabled": "true",
            "PreferredStartTime": "Tue:03:00",
            "ServiceRoleForManagedUpdates": service_role,
        },
        "aws:elasticbeanstalk:managedactions:platformupdate": {
            "UpdateLevel": "minor",
            "InstanceRefreshEnabled": "true",
        },
        "aws:elasticbeanstalk:sns:topics": {
            "Notification Topic ARN": keys.TOPIC_ARN.imported(deployment),
        },
        **_listener_rules(deployment),
        "aws:elbv2:loadbalancer": {
            "SharedLoadBalancer": edge.LOAD_BALANCER_ARN.imported(deployment),
            # Otherwise Beanstalk makes a group of its own and attaches it.
            "SecurityGroups": security_groups.LOAD_BALANCER_SECURITY_GROUP.imported(deployment),
        },
    }
    return [
        OptionSetting(namespace, name, value)
        for namespace, settings in options.items()
        for name, value in settings.items()
    ]


def application_environment(deployment: Deployment) -> dict[str, Arn]:
    """Return the environment properties of the app: the project's own, and the deployment's."""
    database = deployment.database
    host, port = data.DATABASE_HOST, database.port
    if database.mode == "proxy":
        host, port = data.PROXY_HOST, security_groups.PROXY_PORT
    properties: dict[str, Arn] = {
        "BEANVAULT_DATABASE_MODE": database.mode,
        "BEANVAULT_DATABASE_HOST": host.imported(deployment),
        "BEANVAULT_DATABASE_PORT": str(port),
        "BEANVAULT_DATABASE_NAME": SCHEMA,
        "BEANVAULT_DATABASE_SECRET": deployment.credential_secret,
        "BEANVAULT_DATABASE_CONNECTION_AGE": str(database.connection_age_seconds),
        "BEANVAULT_DATABASE_SECRET_TTL": str(database.secret_ttl_seconds),
        "BEANVAULT_BUS_NAME": deployment.bus_name,
        "BEANVAULT_SOURCE_PATH": database.credential,
    }
    if database.mode == "iam":
        properties["BEANVAULT_DATABASE_USER"] = IAM_USER
    if database.ca_file:
        properties["BEANVAULT_DATABASE_CA_FILE"] = database.ca_file
    return properties | dict(deployment.app.environment)


def _add_placeholder(template: Template, application: Application) -> ApplicationVersion:
    """Add the version to begin with: Beanstalk's sample has no port 443, so would never be healthy."""
    bucket, key = (
        template.add_parameter(Parameter(f"Placeholder{name}", Type="String", Description=description))
        for name, description in (
            ("Bucket", "Bucket where the bundle of the first version lies"),
            ("Key", "Key of that bundle in its bucket"),
        )
    )
    creating = template.add_parameter(
        Parameter(
            CREATING,
            Type="String",
            AllowedValues=["true", "false"],
            Description="Whether the environment is being created, with that version",
        )
    )
    template.add_condition(CREATING, Equals(Ref(creating), "true"))
    return template.add_resource(
        ApplicationVersion(
            "Placeholder",
            DeletionPolicy="Delete",
            UpdateReplacePolicy="Retain",  # an environment may run it still when another takes its place
            ApplicationName=Ref(application),
            Description="Says that nothing is deployed yet",
            SourceBundle=SourceBundle(S3Bucket=Ref(bucket), S3Key=Ref(key)),
        )
    )


def _add_logs(template: Template, deployment: Deployment) -> list[str]:
    """Add the log groups before Beanstalk would make them itself, with AWS's key; return their titles."""
    return [
        template.add_resource(
            logs.LogGroup(
                title,
                LogGroupName=f"/aws/elasticbeanstalk/{deployment.environment_name}/{log}",
                KmsKeyId=keys.DATA_KEY_ARN.imported(deployment),
                RetentionInDays=deployment.logs.retention_days,
                Tags=tags(deployment, LAYER, "app"),
                **deployment.retention,
            )
        ).title
        for title, log in LOGS.items()
    ]


def _add_way_to_database(template: Template, deployment: Deployment) -> list[str]:
    """Have the database let instances in where no proxy is between; return the rule's title.

    Here and not with the groups: when a proxy comes or goes, the environment changes over while both ways
    are open, and only then is the old one closed.
    """
    if deployment.database.mode == "proxy":
        return []
    rule = security_groups.let_in(
        template,
        deployment,
        security_groups.INSTANCE_SECURITY_GROUP,
        security_groups.DATABASE_SECURITY_GROUP,
        deployment.database.port,
        "queries of the application",
    )
    return [rule]


def _log_options(deployment: Deployment, switch: str) -> dict[str, Arn]:
    return {
        switch: "true",
        "DeleteOnTerminate": "false",
        "RetentionInDays": str(deployment.logs.retention_days),
    }


def _listener_rules(deployment: Deployment) -> dict[str, dict[str, Arn]]:
    """Route requests on port 443; without this Beanstalk looks for a listener on port 80.

    Beanstalk's `default` rule matches the environment's CNAME only; an own domain needs a rule of its own.
    """
    domain = deployment.domain.name
    if domain is None:
        return {"aws:elbv2:listener:443": {"Rules": "default"}}
    return {
        "aws:elbv2:listener:443": {"Rules": "default,domain"},
        "aws:elbv2:listenerrule:domain": {"HostHeaders": domain, "Priority": "2", "Process": "default"},
    }


def _add_service_role(template: Template, deployment: Deployment) -> Role:
    role = add_role(
        template,
        "ServiceRole",
        trust=resource.assumed_by_beanstalk(),
        may=[
            common.encrypt_alerts(keys.DATA_KEY_ARN.imported(deployment)),
            common.use_bucket_key(storage.beanstalk_key(deployment).imported(deployment)),
        ],
        managed=[
            Sub("arn:${AWS::Partition}:iam::aws:policy/service-role/AWSElasticBeanstalkEnhancedHealth"),
            Sub("arn:${AWS::Partition}:iam::aws:policy/AWSElasticBeanstalkManagedUpdatesCustomerRolePolicy"),
        ],
        description="Beanstalk's own: watches health, updates the platform",
        tags=tags(deployment, LAYER),
    )
    suppress(
        role,
        "AwsSolutions-IAM4",
        "What Beanstalk needs to watch health and to update platforms changes with Beanstalk; AWS keeps "
        "these two policies up to date, and Beanstalk checks a service role for them.",
    )
    return role


def _add_instance_role(template: Template, deployment: Deployment) -> Role:
    secret = arns.secret(deployment.credential_secret)
    bucket = "arn:${AWS::Partition}:s3:::elasticbeanstalk-${AWS::Region}-${AWS::AccountId}"
    beanstalk = "arn:${AWS::Partition}:elasticbeanstalk:${AWS::Region}:${AWS::AccountId}"
    app, env = deployment.application_name, deployment.environment_name
    may = [
        instance.read_secret(secret),
        instance.decrypt_secret(keys.SECRETS_KEY_ARN.imported(deployment), secret),
        common.put_events(
            "AskForReplication", replicator.BUS_ARN.imported(deployment), REPLICATION_REQUESTED
        ),
        instance.stream_logs([arns.log_group(f"/aws/elasticbeanstalk/{env}/*")]),
        instance.read_application_versions(
            [Sub(f"{bucket}/{app}/*"), Sub(f"{bucket}/resources/environments/*")]
        ),
        instance.publish_logs(Sub(f"{bucket}/resources/environments/logs/*")),
        common.use_bucket_key(storage.beanstalk_key(deployment).imported(deployment)),
        instance.report_health(
            [Sub(f"{beanstalk}:application/{app}"), Sub(f"{beanstalk}:environment/{app}/{env}")]
        ),
        instance.session_manager(),
        instance.be_managed(),
    ]
    if deployment.database.mode == "iam":
        may.append(
            instance.connect_to_database(
                Sub(
                    "arn:${AWS::Partition}:rds-db:${AWS::Region}:${AWS::AccountId}:dbuser:${Database}/"
                    + IAM_USER,
                    Database=data.RESOURCE_ID.imported(deployment),
                )
            )
        )
    return add_role(
        template,
        "InstanceRole",
        trust=resource.assumed_by("ec2.amazonaws.com"),
        may=may,
        never=[instance.never_read_secrets_but(secret), instance.never_write()],
        description="the instances: reads one secret, asks for replication",
        tags=tags(deployment, LAYER),
        wildcards="Session Manager's channels know no resources; instances, log groups and Beanstalk's "
        "objects for its environments get their names later, below names of this deployment.",
    )
