"""The option settings of the Beanstalk environment, and the app's environment properties among them.

They are set on the environment and not in `.ebextensions`, because settings of the environment override those
of a source bundle.
"""

from troposphere import Join

from templates import data_layer, edge_layer, keys_layer, network_layer, security_groups
from templates.beanstalk_options.settings import OptionSetting
from templates.deployment import IAM_USER, SCHEMA, Deployment
from templates.deployment_values import architecture
from templates.policies import Arn


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
            # All types have one (`App._one_architecture`). Beanstalk chooses the image that matches it:
            # DefaultAmiList in its API. Whether Graviton types need the option is not documented.
            "SupportedArchitectures": architecture(deployment.app.instance_types[0]),
        },
        "aws:ec2:vpc": {
            "VPCId": network_layer.VPC_ID.imported(deployment),
            "Subnets": Join(",", network_layer.APP_SUBNETS.imported(deployment)),
            "ELBSubnets": Join(",", network_layer.PUBLIC_SUBNETS.imported(deployment)),
            "ELBScheme": "public",
            "AssociatePublicIpAddress": "false",
        },
        "aws:elasticbeanstalk:application:environment": application_environment(deployment),
        "aws:elasticbeanstalk:cloudwatch:logs": _log_options(deployment, "StreamLogs"),
        "aws:elasticbeanstalk:cloudwatch:logs:health": _log_options(deployment, "HealthStreamingEnabled"),
        "aws:elasticbeanstalk:command": {"DeploymentPolicy": "Immutable", "IgnoreHealthCheck": "false"},
        "aws:elasticbeanstalk:environment": {
            "EnvironmentType": "LoadBalanced",
            # Both: the type alone would create a second load balancer, and the default type is classic.
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
            # As long as the load balancer waits for an answer: what is still unanswered then, it cuts off.
            "DeregistrationDelay": "60",
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
            "Notification Topic ARN": keys_layer.TOPIC_ARN.imported(deployment),
        },
        **_listener_rules(deployment),
        "aws:elbv2:loadbalancer": {
            "SharedLoadBalancer": edge_layer.LOAD_BALANCER_ARN.imported(deployment),
            # Without this Beanstalk creates and attaches a group of its own.
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
    host, port = data_layer.DATABASE_HOST, database.port
    if database.mode == "proxy":
        host, port = data_layer.PROXY_HOST, security_groups.PROXY_PORT
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
    return properties | dict(deployment.app.environment)


def _log_options(deployment: Deployment, switch: str) -> dict[str, Arn]:
    return {
        switch: "true",
        "DeleteOnTerminate": "false",
        "RetentionInDays": str(deployment.logs.retention_days),
    }


def _listener_rules(deployment: Deployment) -> dict[str, dict[str, Arn]]:
    """Route requests on port 443; without this Beanstalk expects a listener on port 80.

    Beanstalk's `default` rule matches the environment's CNAME only, so a custom domain needs another rule.
    """
    domain = deployment.domain.name
    if domain is None:
        return {"aws:elbv2:listener:443": {"Rules": "default"}}
    return {
        "aws:elbv2:listener:443": {"Rules": "default,domain"},
        "aws:elbv2:listenerrule:domain": {"HostHeaders": domain, "Priority": "2", "Process": "default"},
    }
