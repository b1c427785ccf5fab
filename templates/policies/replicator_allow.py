"""What the replicator's `FunctionRole` is allowed: it writes replicated secrets and can't read them."""

from collections.abc import Sequence

from awacs import kms, secretsmanager, sns, sqs, sts, xray
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

from replicator.contract.tags import TAG_HEALTH, TAG_OWNER
from templates.policies import Arn, arns
from templates.policies.secret_statements import SECRETS_MANAGER

_RESOURCE_OWNER = f"secretsmanager:ResourceTag/{TAG_OWNER}"
REQUEST_OWNER = f"aws:RequestTag/{TAG_OWNER}"


def list_secrets() -> Statement:
    """List names, tags and version ids of secrets; the action supports no resources."""
    return Statement(Sid="ListSecrets", Effect=Allow, Action=[secretsmanager.ListSecrets], Resource=["*"])


def describe_secrets(below: Arn) -> Statement:
    """Describe replicated secrets; their values are not included."""
    return Statement(
        Sid="DescribeReplicatedSecrets",
        Effect=Allow,
        Action=[secretsmanager.DescribeSecret],
        Resource=[below],
    )


def create_owned_secrets(below: Arn, owner: str) -> Statement:
    """Create secrets that carry this owner's tag, and no others."""
    return Statement(
        Sid="CreateOwnedSecrets",
        Effect=Allow,
        Action=[secretsmanager.CreateSecret],
        Resource=[below],
        Condition=Condition([StringEquals({REQUEST_OWNER: owner})]),
    )


def tag_unowned_secrets(below: Arn, owner: str) -> Statement:
    """Put this owner's tag on secrets without an owner, as creating with tags and adopting require.

    At creation there is no resource yet whose tags a condition could check.
    """
    return Statement(
        Sid="TagUnownedSecrets",
        Effect=Allow,
        Action=[secretsmanager.TagResource],
        Resource=[below],
        Condition=Condition([StringEquals({REQUEST_OWNER: owner}), Null({_RESOURCE_OWNER: "true"})]),
    )


def adopt_secrets(secrets: Sequence[Arn], owner: str) -> Statement:
    """Take over these secrets, whoever owns them: the deployment file lists each by name."""
    return Statement(
        Sid="AdoptListedSecrets",
        Effect=Allow,
        Action=[secretsmanager.TagResource],
        Resource=list(secrets),
        Condition=Condition([StringEquals({REQUEST_OWNER: owner})]),
    )


def change_owned_secrets(below: Arn, owner: str) -> Statement:
    """Change, delete and restore secrets that carry this owner's tag."""
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
    """Replicate owned secrets to other regions."""
    return Statement(
        Sid="ReplicateOwnedSecretsToRegions",
        Effect=Allow,
        Action=[secretsmanager.RemoveRegionsFromReplication, secretsmanager.ReplicateSecretToRegions],
        Resource=[below],
        Condition=Condition([StringEquals({_RESOURCE_OWNER: owner})]),
    )


def use_connection_secret(connection: Arn) -> Statement:
    """Read how to log in to Vault, and store an unwrapped secret id in place of its wrapping token."""
    return Statement(
        Sid="UseConnectionSecret",
        Effect=Allow,
        Action=[secretsmanager.DescribeSecret, secretsmanager.GetSecretValue, secretsmanager.PutSecretValue],
        Resource=[connection],
    )


def tag_health_state(connection: Arn) -> Statement:
    """Store the last health state as a tag of the connection secret, and set no other tag."""
    return Statement(
        Sid="TagHealthState",
        Effect=Allow,
        Action=[secretsmanager.TagResource],
        Resource=[connection],
        Condition=Condition(
            [ForAllValuesStringEquals({"aws:TagKeys": [TAG_HEALTH]}), Null({"aws:TagKeys": "false"})]
        ),
    )


def encrypt_secrets(key: Arn, below: Arn) -> Statement:
    """Let Secrets Manager encrypt with this key, for these secrets.

    Storing a value takes Decrypt as well as GenerateDataKey. Without Encrypt a change of a secret's key would
    leave its current value under the old one, in silence:
    https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html
    https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_UpdateSecret.html
    """
    return Statement(
        Sid="EncryptReplicatedSecrets",
        Effect=Allow,
        Action=[kms.Decrypt, kms.Encrypt, kms.GenerateDataKey],
        Resource=[key],
        Condition=Condition(
            [
                StringEquals({"kms:ViaService": SECRETS_MANAGER}),
                StringLike({"kms:EncryptionContext:SecretARN": below}),
            ]
        ),
    )


def encrypt_with_aliased_keys(aliases: Sequence[str], below: Arn) -> Statement:
    """Let Secrets Manager encrypt these secrets with any key that carries one of these aliases."""
    return Statement(
        Sid="EncryptWithAliasedKeys",
        Effect=Allow,
        Action=[kms.Decrypt, kms.Encrypt, kms.GenerateDataKey],
        Resource=[arns.keys()],
        Condition=Condition(
            [
                ForAnyValueStringEquals({"kms:ResourceAliases": list(aliases)}),
                StringEquals({"kms:ViaService": SECRETS_MANAGER}),
                StringLike({"kms:EncryptionContext:SecretARN": below}),
            ]
        ),
    )


def use_function_key(key: Arn) -> Statement:
    """Decrypt the function's environment; read and write the connection secret; encrypt dead letters."""
    return Statement(
        Sid="UseFunctionKey", Effect=Allow, Action=[kms.Decrypt, kms.GenerateDataKey], Resource=[key]
    )


def get_identity_token(audience: str) -> Statement:
    """Get a JWT from AWS that identifies the function, for Vault's audience only."""
    return Statement(
        Sid="GetVaultIdentityToken",
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


def publish_alerts(topic: Arn) -> Statement:
    """Publish changes of the health state."""
    return Statement(Sid="PublishAlerts", Effect=Allow, Action=[sns.Publish], Resource=[topic])


def send_to_dead_letter_queue(queue: Arn) -> Statement:
    """Send events that failed to the dead-letter queue."""
    return Statement(Sid="SendToDeadLetterQueue", Effect=Allow, Action=[sqs.SendMessage], Resource=[queue])


def send_traces() -> Statement:
    """Send traces to X-Ray; the actions support no resources."""
    return Statement(
        Sid="SendTraces",
        Effect=Allow,
        Action=[xray.PutTelemetryRecords, xray.PutTraceSegments],
        Resource=["*"],
    )
