"""The permissions of the sample Vault host (`HostRole`), and its statement in the key's policy."""

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

from templates.policies import Arn, arns

_UNSEAL = [kms.Decrypt, kms.GenerateDataKeyWithoutPlaintext]


def unseal_vault(key: Arn) -> Statement:
    """Create the key of Vault's seal, encrypted, and decrypt it before each start."""
    return Statement(Sid="UnsealVault", Effect=Allow, Action=_UNSEAL, Resource=[key])


def unsealed_by(roles: Arn) -> Statement:
    """Let roles of this name unseal Vault, as a statement of the key's own policy.

    *roles* is a pattern, because the role's policy names the key: with ARNs the two would form a cycle.
    """
    return Statement(
        Sid="AllowVaultHostToUnseal",
        Effect=Allow,
        Principal=Principal("AWS", arns.account_root()),
        Action=_UNSEAL,
        Resource=["*"],
        Condition=Condition([ArnLike({"aws:PrincipalArn": roles})]),
    )


def attach_data_volume(volume: Arn, instances: Arn, group: str) -> list[Statement]:
    """Attach the one data volume, to hosts of this group only."""
    return [
        Statement(Sid="AttachDataVolume", Effect=Allow, Action=[ec2.AttachVolume], Resource=[volume]),
        Statement(
            Sid="AttachToHost",
            Effect=Allow,
            Action=[ec2.AttachVolume],
            Resource=[instances],
            Condition=Condition([StringEquals({"aws:ResourceTag/aws:autoscaling:groupName": group})]),
        ),
    ]


def grant_volume_key(key: Arn) -> Statement:
    """Grant EC2 the volume's key for the host."""
    return Statement(
        Sid="GrantVolumeKey",
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


def update_dns_record(zone: Arn, host: str) -> Statement:
    """Update the one DNS record that has the host's address.

    https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/specifying-rrset-conditions.html
    """
    return Statement(
        Sid="UpdateDnsRecord",
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


def publish_ca_certificate(parameter: Arn) -> Statement:
    """Publish the CA certificate that clients verify the host with."""
    return Statement(
        Sid="PublishCaCertificate", Effect=Allow, Action=[ssm.PutParameter], Resource=[parameter]
    )


def deny_secrets_and_escalation() -> Statement:
    """Deny all secrets, reading parameters, and gaining permissions."""
    return Statement(
        Sid="DenySecretsAndEscalation",
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
