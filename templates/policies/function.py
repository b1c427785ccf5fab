"""The replicator's permissions: it writes replicated secrets and can't read them."""

from collections.abc import Sequence

from awacs import ec2, kms, secretsmanager, sns, sqs, sts, xray
from awacs.aws import (
    Allow,
    Condition,
    ForAllValuesStringEquals,
    ForAnyValueStringEquals,
    Null,
    Statement,
    StringEquals,
    StringLike,
)
from troposphere import Sub

from replicator.contract.tags import TAG_HEALTH, TAG_OWNER
from templates.policies import Arn

_SECRETS_MANAGER = Sub("secretsmanager.${AWS::Region}.amazonaws.com")
_RESOURCE_OWNER = f"secretsmanager:ResourceTag/{TAG_OWNER}"
REQUEST_OWNER = f"aws:RequestTag/{TAG_OWNER}"

# What Lambda does with the function's role to connect it to the VPC. None of it takes a resource.
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-permissions
NETWORK_INTERFACES = [
    ec2.AssignPrivateIpAddresses,
    ec2.CreateNetworkInterface,
    ec2.DeleteNetworkInterface,
    ec2.DescribeNetworkInterfaces,
    ec2.DescribeSubnets,
    ec2.UnassignPrivateIpAddresses,
]


def list_secrets() -> Statement:
    """See names, tags and version ids of secrets; the action knows no resources."""
    return Statement(Sid="ListSecrets", Effect=Allow, Action=[secretsmanager.ListSecrets], Resource=["*"])


def describe_secrets(below: Arn) -> Statement:
    """See everything about replicated secrets but their values."""
    return Statement(
        Sid="DescribeReplicatedSecrets",
        Effect=Allow,
        Action=[secretsmanager.DescribeSecret],
        Resource=[below],
    )


def create_owned_secrets(below: Arn, owner: str) -> Statement:
    """Create secrets, but only with our name on them."""
    return Statement(
        Sid="CreateSecretsThatSayWhoseTheyAre",
        Effect=Allow,
        Action=[secretsmanager.CreateSecret],
        Resource=[below],
        Condition=Condition([StringEquals({REQUEST_OWNER: owner})]),
    )


def tag_unowned_secrets(below: Arn, owner: str) -> Statement:
    """Put our name on what has none: creating with tags needs it, and so does adopting.

    At creation there is no resource yet whose tags could be asked for.
    """
    return Statement(
        Sid="TagWhatIsNobodysYet",
        Effect=Allow,
        Action=[secretsmanager.TagResource],
        Resource=[below],
        Condition=Condition([StringEquals({REQUEST_OWNER: owner}), Null({_RESOURCE_OWNER: "true"})]),
    )


def adopt_secrets(secrets: Sequence[Arn], owner: str) -> Statement:
    """Put our name on these secrets, whosever they were: somebody asked for it by name."""
    return Statement(
        Sid="AdoptWhatWasAskedFor",
        Effect=Allow,
        Action=[secretsmanager.TagResource],
        Resource=list(secrets),
        Condition=Condition([StringEquals({REQUEST_OWNER: owner})]),
    )


def change_owned_secrets(below: Arn, owner: str) -> Statement:
    """Change, delete and restore what carries our name."""
    return Statement(
        Sid="ChangeOwnedSecrets",
        Effect=Allow,
        Action=[
            secretsmanager.DeleteSecret,
            secretsmanager.PutSecretValue,
            secretsmanager.RestoreSecret,
            secretsmanager.TagResource,
            secretsmanager.UntagResource,
            secretsmanager.UpdateSecret,
            secretsmanager.UpdateSecretVersionStage,
        ],
        Resource=[below],
        Condition=Condition([StringEquals({_RESOURCE_OWNER: owner})]),
    )


def replicate_owned_secrets(below: Arn, owner: str) -> Statement:
    """Keep copies of owned secrets in other regions."""
    return Statement(
        Sid="CopyOwnedSecretsToOtherRegions",
        Effect=Allow,
        Action=[secretsmanager.RemoveRegionsFromReplication, secretsmanager.ReplicateSecretToRegions],
        Resource=[below],
        Condition=Condition([StringEquals({_RESOURCE_OWNER: owner})]),
    )


def use_connection_secret(connection: Arn) -> Statement:
    """Read how to log in to Vault, and store an unwrapped secret id in place of its wrapping token."""
    return Statement(
        Sid="UseTheConnectionSecret",
        Effect=Allow,
        Action=[secretsmanager.DescribeSecret, secretsmanager.GetSecretValue, secretsmanager.PutSecretValue],
        Resource=[connection],
    )


def remember_health(connection: Arn) -> Statement:
    """Keep the last state of health as a tag of the connection secret, and no other tag."""
    return Statement(
        Sid="RememberTheStateOfHealth",
        Effect=Allow,
        Action=[secretsmanager.TagResource],
        Resource=[connection],
        Condition=Condition(
            [ForAllValuesStringEquals({"aws:TagKeys": [TAG_HEALTH]}), Null({"aws:TagKeys": "false"})]
        ),
    )


def encrypt_secrets(key: Arn, below: Arn) -> Statement:
    """Let Secrets Manager encrypt with this key, for these secrets.

    Storing a value takes Decrypt as well as GenerateDataKey:
    https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html
    """
    return Statement(
        Sid="EncryptReplicatedSecrets",
        Effect=Allow,
        Action=[kms.Decrypt, kms.GenerateDataKey],
        Resource=[key],
        Condition=Condition(
            [
                StringEquals({"kms:ViaService": _SECRETS_MANAGER}),
                StringLike({"kms:EncryptionContext:SecretARN": below}),
            ]
        ),
    )


def encrypt_with_aliased_keys(aliases: Sequence[str], below: Arn) -> Statement:
    """Let Secrets Manager encrypt these secrets with any key that carries one of these aliases."""
    return Statement(
        Sid="EncryptWithTeamsKeys",
        Effect=Allow,
        Action=[kms.Decrypt, kms.GenerateDataKey],
        Resource=[Sub("arn:${AWS::Partition}:kms:${AWS::Region}:${AWS::AccountId}:key/*")],
        Condition=Condition(
            [
                ForAnyValueStringEquals({"kms:ResourceAliases": list(aliases)}),
                StringEquals({"kms:ViaService": _SECRETS_MANAGER}),
                StringLike({"kms:EncryptionContext:SecretARN": below}),
            ]
        ),
    )


def use_function_key(key: Arn) -> Statement:
    """Decrypt the function's environment; read and write the connection secret; encrypt dead letters."""
    return Statement(
        Sid="UseTheFunctionsKey", Effect=Allow, Action=[kms.Decrypt, kms.GenerateDataKey], Resource=[key]
    )


def get_identity_token(audience: str) -> Statement:
    """Ask AWS for a JWT that says who the function is, for Vault only."""
    return Statement(
        Sid="IdentifyItselfToVault",
        Effect=Allow,
        Action=[sts.GetWebIdentityToken],
        Resource=["*"],
        Condition=Condition(
            [
                ForAllValuesStringEquals({"sts:IdentityTokenAudience": [audience]}),
                Null({"sts:IdentityTokenAudience": "false"}),
            ]
        ),
    )


def publish(topic: Arn) -> Statement:
    """Say when the state of health changes."""
    return Statement(Sid="TellPeople", Effect=Allow, Action=[sns.Publish], Resource=[topic])


def send_failures(queue: Arn) -> Statement:
    """Leave events that failed in the dead-letter queue."""
    return Statement(Sid="KeepWhatFailed", Effect=Allow, Action=[sqs.SendMessage], Resource=[queue])


def trace() -> Statement:
    """Send traces to X-Ray; the actions know no resources."""
    return Statement(
        Sid="Trace", Effect=Allow, Action=[xray.PutTelemetryRecords, xray.PutTraceSegments], Resource=["*"]
    )


def connect_to_network() -> Statement:
    """Let Lambda make and remove the function's network interfaces."""
    return Statement(Sid="ConnectToTheNetwork", Effect=Allow, Action=NETWORK_INTERFACES, Resource=["*"])
