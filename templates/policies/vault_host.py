"""What the sample Vault host may do."""

from awacs import ec2, kms, route53, secretsmanager, ssm, sts
from awacs.aws import (
    Action,
    Allow,
    ArnLike,
    Bool,
    Condition,
    Deny,
    ForAllValuesStringEquals,
    Principal,
    Statement,
    StringEquals,
)
from troposphere import Sub

from templates.policies import Arn


def unseal(key: Arn) -> Statement:
    """Encrypt and decrypt Vault's root key; this is what opens Vault after a restart."""
    return Statement(
        Sid="Unseal", Effect=Allow, Action=[kms.Decrypt, kms.DescribeKey, kms.Encrypt], Resource=[key]
    )


def unsealed_by(roles: Arn) -> Statement:
    """The same in the key's own policy, for roles of this name only.

    A pattern, because the role's policy names the key: by their ARNs the two would wait for each other.
    """
    return Statement(
        Sid="UnsealedByTheHost",
        Effect=Allow,
        Principal=Principal("AWS", Sub("arn:${AWS::Partition}:iam::${AWS::AccountId}:root")),
        Action=[kms.Decrypt, kms.DescribeKey, kms.Encrypt],
        Resource=["*"],
        Condition=Condition([ArnLike({"aws:PrincipalArn": roles})]),
    )


def take_disk(volume: Arn, instances: Arn, group: str) -> list[Statement]:
    """Attach the one disk, to hosts of this group only."""
    return [
        Statement(Sid="TakeTheDisk", Effect=Allow, Action=[ec2.AttachVolume], Resource=[volume]),
        Statement(
            Sid="OnlyAsTheHost",
            Effect=Allow,
            Action=[ec2.AttachVolume],
            Resource=[instances],
            Condition=Condition([StringEquals({"aws:ResourceTag/aws:autoscaling:groupName": group})]),
        ),
    ]


def decrypt_disk(key: Arn) -> Statement:
    """Let EC2 use the disk's key for the host."""
    return Statement(
        Sid="DecryptTheDisk",
        Effect=Allow,
        Action=[kms.CreateGrant],
        Resource=[key],
        Condition=Condition(
            [
                Bool({"kms:GrantIsForAWSResource": "true"}),
                StringEquals({"kms:ViaService": Sub("ec2.${AWS::Region}.amazonaws.com")}),
            ]
        ),
    )


def tell_address(zone: Arn, host: str) -> Statement:
    """Write the one record that says where the host is.

    https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/specifying-rrset-conditions.html
    """
    return Statement(
        Sid="TellItsAddress",
        Effect=Allow,
        Action=[route53.ChangeResourceRecordSets],
        Resource=[zone],
        Condition=Condition(
            [
                ForAllValuesStringEquals(
                    {
                        "route53:ChangeResourceRecordSetsActions": ["UPSERT"],
                        "route53:ChangeResourceRecordSetsNormalizedRecordNames": [host],
                        "route53:ChangeResourceRecordSetsRecordTypes": ["A"],
                    }
                )
            ]
        ),
    )


def publish_authority(parameter: Arn) -> Statement:
    """Publish the certificate by which clients know the host."""
    return Statement(Sid="PublishTheAuthority", Effect=Allow, Action=[ssm.PutParameter], Resource=[parameter])


def never_read_or_escalate() -> Statement:
    """Never read what was replicated out of Vault, nor parameters; never gain permissions."""
    return Statement(
        Sid="NeverReadOrEscalate",
        Effect=Deny,
        Action=[
            Action("iam", "*"),
            kms.PutKeyPolicy,
            kms.ScheduleKeyDeletion,
            secretsmanager.Action("*"),
            ssm.GetParameter,
            ssm.GetParameters,
            ssm.GetParametersByPath,
            sts.AssumeRole,
        ],
        Resource=["*"],
    )
