"""Breaks of the Beanstalk environment and its instances."""

from __future__ import annotations

from collections.abc import Iterator

from .support_breaks import Site, Table

BREAKS = Table()

EB = "aws:elasticbeanstalk"
LAUNCH = "aws:autoscaling:launchconfiguration"
OPTIONS = {
    "ElasticBeanstalk.2": (f"{EB}:managedactions", "ManagedActionsEnabled", "false"),
    "ElasticBeanstalk.3": (f"{EB}:cloudwatch:logs", "StreamLogs", "false"),
    "SEC04-BP01": (f"{EB}:cloudwatch:logs", "RetentionInDays", "1"),
    "EC2.9": ("aws:ec2:vpc", "AssociatePublicIpAddress", "true"),
    "BV.APP1": ("aws:ec2:vpc", "Subnets", ""),
    "BV.APP7": (LAUNCH, "EC2KeyName", "somebody"),
    "EC2.8": (LAUNCH, "DisableIMDSv1", "false"),
    "BV.APP2": (LAUNCH, "DisableDefaultEC2SecurityGroup", "false"),
    "REL-INSTANCES": ("aws:autoscaling:asg", "MinSize", "1"),
    "REL-DEPLOY": (f"{EB}:command", "DeploymentPolicy", "AllAtOnce"),
    "REL-UPDATE": ("aws:autoscaling:updatepolicy:rollingupdate", "RollingUpdateType", "Time"),
    "BV.APP4": (f"{EB}:cloudwatch:logs:health", "HealthStreamingEnabled", "false"),
    "BV.APP5": (f"{EB}:sns:topics", "Notification Topic ARN", ""),
    "BV.APP6": (f"{EB}:hostmanager", "LogPublicationControl", "false"),
    "BV.APP3": (f"{EB}:application:environment", "DATABASE_PASSWORD", "canary"),
    "ElasticBeanstalk.1": (f"{EB}:healthreporting:system", "SystemType", "basic"),
}


@BREAKS.breaks(*OPTIONS)
def _every_option_of_the_environment_differs(site: Site) -> Iterator[None]:
    """All in one update: each update replaces the instances."""
    client, deployment = site.client("elasticbeanstalk"), site.deployment
    (before,) = client.describe_configuration_settings(
        ApplicationName=deployment.application_name, EnvironmentName=deployment.environment_name
    )["ConfigurationSettings"]
    kept = {(each["Namespace"], each["OptionName"]): each.get("Value") for each in before["OptionSettings"]}
    names = [(namespace, name) for namespace, name, _ in OPTIONS.values()]
    bad = [
        {"Namespace": namespace, "OptionName": name, "Value": value}
        for namespace, name, value in OPTIONS.values()
    ]
    good = [
        {"Namespace": namespace, "OptionName": name, "Value": kept[namespace, name]}
        for namespace, name in names
        if kept.get((namespace, name)) is not None
    ]
    added = [{"Namespace": n, "OptionName": o} for n, o in names if kept.get((n, o)) is None]

    def update(**settings: object) -> None:
        client.update_environment(EnvironmentName=deployment.environment_name, **settings)
        client.get_waiter("environment_updated").wait(
            EnvironmentNames=[deployment.environment_name], WaiterConfig={"Delay": 1, "MaxAttempts": 90}
        )

    update(OptionSettings=bad)
    yield
    update(OptionSettings=good, OptionsToRemove=added)


@BREAKS.breaks("EC2.7")
def _new_volumes_are_not_encrypted(site: Site) -> Iterator[None]:
    ec2 = site.client("ec2")
    ec2.disable_ebs_encryption_by_default()
    yield
    ec2.enable_ebs_encryption_by_default()


@BREAKS.breaks("EC2.3", "EC2.8", "EC2.9", "BV.APP7", "BV.APP1", "BV.APP2")
def _an_instance_differs_from_the_options(site: Site) -> Iterator[None]:
    """It has the tag of Beanstalk's instances, as one created before the options changed."""
    ec2 = site.client("ec2")
    ec2.create_key_pair(KeyName="somebody")
    image = ec2.describe_images()["Images"][0]["ImageId"]
    ec2.disable_ebs_encryption_by_default()
    (instance,) = ec2.run_instances(
        ImageId=image,
        MinCount=1,
        MaxCount=1,
        KeyName="somebody",
        MetadataOptions={"HttpTokens": "optional", "HttpEndpoint": "enabled"},
        NetworkInterfaces=[
            {
                "DeviceIndex": 0,
                "SubnetId": site.physical_id("network", "Public0Subnet"),
                "Groups": [site.group("Function")],
                "AssociatePublicIpAddress": True,
            }
        ],
        TagSpecifications=[
            {
                "ResourceType": "instance",
                "Tags": [
                    {
                        "Key": "elasticbeanstalk:environment-name",
                        "Value": site.deployment.environment_name,
                    }
                ],
            }
        ],
    )["Instances"]
    ec2.enable_ebs_encryption_by_default()
    yield
    ec2.terminate_instances(InstanceIds=[instance["InstanceId"]])
    ec2.delete_key_pair(KeyName="somebody")


@BREAKS.breaks("SEC07-BP04")
def _every_version_is_kept(site: Site) -> Iterator[None]:
    client, name = site.client("elasticbeanstalk"), site.deployment.application_name
    (found,) = client.describe_applications(ApplicationNames=[name])["Applications"]
    kept = found["ResourceLifecycleConfig"]
    rules = {kind: {**rule, "Enabled": False} for kind, rule in kept["VersionLifecycleConfig"].items()}
    client.update_application_resource_lifecycle(
        ApplicationName=name, ResourceLifecycleConfig={**kept, "VersionLifecycleConfig": rules}
    )
    yield
    client.update_application_resource_lifecycle(ApplicationName=name, ResourceLifecycleConfig=kept)
