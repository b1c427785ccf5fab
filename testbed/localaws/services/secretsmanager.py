"""Secrets Manager: errors that moto does not raise, and three operations in which it mixes up versions.

Messages and limits: https://docs.aws.amazon.com/secretsmanager/latest/apireference/ and
https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html
"""

from __future__ import annotations

import base64
import copy
import functools
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.core.utils import camelcase_to_underscores
from moto.secretsmanager.models import (
    FakeSecret,
    ReplicaSecret,
    SecretsManagerBackend,
    secretsmanager_backends,
)
from moto.secretsmanager.responses import SecretsManagerResponse

from ..authorization.resources import find_key, version_keys

MAXIMUM_BYTES = 65536
MAXIMUM_TAGS = 50
NAME = re.compile(r"[A-Za-z0-9/_+=.@!-]{1,512}")
TAG = re.compile(r"[\w\s+\-=.:/@]*")

WRITE_VERSIONS = frozenset({"CreateSecret", "PutSecretValue", "UpdateSecret"})

Params = Mapping[str, Any]


def install() -> None:
    """Add checks before moto's methods, and correct its handling of versions."""
    checked = {
        "CreateSecret": (_value, _name, _tags, _not_scheduled, _key_can_encrypt),
        "PutSecretValue": (_value, _not_deleted, _key_can_encrypt),
        "UpdateSecret": (_value, _not_deleted, _token_is_new, _key_can_encrypt),
        "GetSecretValue": (_not_deleted, _key_can_decrypt),
        "UpdateSecretVersionStage": (_not_deleted, _stage_can_move),
        "TagResource": (_tags, _not_deleted),
        "PutResourcePolicy": (_not_deleted, _policy),
        **dict.fromkeys(
            (
                *("UntagResource", "RotateSecret", "DeleteResourcePolicy", "GetResourcePolicy"),
                *("ReplicateSecretToRegions", "RemoveRegionsFromReplication"),
            ),
            (_not_deleted,),
        ),
    }
    for operation, checks in checked.items():
        _check_before(operation, checks)
    _refuse_first_deletion()
    SecretsManagerResponse.stop_replication_to_replica = _stop_replication  # type: ignore[attr-defined]
    SecretsManagerResponse.list_secret_version_ids = _list_versions  # type: ignore[method-assign, assignment]
    FakeSecret._form_version_ids_to_stages = _labelled_versions  # type: ignore[method-assign, assignment]
    _correct_versions()


Check = Callable[[SecretsManagerBackend, Params], None]


def _check_before(operation: str, checks: tuple[Check, ...]) -> None:
    name = camelcase_to_underscores(operation)
    original = getattr(SecretsManagerResponse, name)

    @functools.wraps(original)
    def checked(self: SecretsManagerResponse) -> str:
        params = json.loads(self.body)
        for check in checks:
            check(self.backend, params)
        answer = str(original(self))
        if operation in WRITE_VERSIONS:
            _record_keys(self, params)
        return answer

    setattr(SecretsManagerResponse, name, checked)


def _invalid(message: str, code: str = "InvalidParameterException") -> JsonRESTError:
    return JsonRESTError(code, message)


def _constraint(field: str, constraint: str) -> JsonRESTError:
    message = f"1 validation error detected: Value at '{field}' failed to satisfy constraint: {constraint}"
    return _invalid(message, "ValidationException")


def _value(_backend: SecretsManagerBackend, params: Params) -> None:
    """Refuse values over 65,536 bytes and empty ones; moto accepts them."""
    sizes = {
        "secretString": params.get("SecretString") and len(params["SecretString"].encode()),
        "secretBinary": params.get("SecretBinary") and len(base64.b64decode(params["SecretBinary"])),
    }
    for field, size in sizes.items():
        if size is not None and not size:
            raise _constraint(field, "Member must have length greater than or equal to 1")
        if size and size > MAXIMUM_BYTES:
            raise _constraint(field, f"Member must have length less than or equal to {MAXIMUM_BYTES}")
    if all(name in params for name in ("SecretString", "SecretBinary")):
        raise _invalid(
            "You can't specify both a binary secret value and a string secret value in the same secret."
        )


def _name(_backend: SecretsManagerBackend, params: Params) -> None:
    """Refuse invalid names; moto accepts any character and length."""
    if not NAME.fullmatch(params["Name"]):
        raise _invalid(
            "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: "
            "-/_+=.@!",
            "ValidationException",
        )


def _tags(backend: SecretsManagerBackend, params: Params) -> None:
    """Refuse too many, too long and invalid tags; moto accepts them."""
    secret = backend.secrets.get(params["SecretId"]) if "SecretId" in params else None
    keys = {tag["Key"] for tag in (secret.tags if secret else None) or []}
    for tag in params.get("Tags") or []:
        key, value = tag["Key"], tag.get("Value", "")
        if not 1 <= len(key) <= 128 or not TAG.fullmatch(key):
            raise _invalid(
                f"Tag key {key[:140]!r} is not valid: 1 to 128 letters, digits, spaces and _.:/=+-@"
            )
        if len(value) > 256 or not TAG.fullmatch(value):
            raise _invalid(
                f"Value of tag {key!r} is not valid: up to 256 letters, digits, spaces and _.:/=+-@"
            )
        if key.lower().startswith("aws:"):
            raise _invalid(f"Tag key {key!r} is not valid: aws: is reserved for AWS")
        keys.add(key)
    if len(keys) > MAXIMUM_TAGS:
        raise _invalid(f"A secret can have {MAXIMUM_TAGS} tags, this would make {len(keys)}")


def _not_scheduled(backend: SecretsManagerBackend, params: Params) -> None:
    """Refuse to create a secret over one pending deletion; moto has the wrong error, or accepts it."""
    secret = backend.secrets.get(params["Name"])
    if secret and secret.is_deleted():
        raise _invalid(
            "You can't create this secret because a secret with this name is already scheduled for deletion.",
            "InvalidRequestException",
        )


def _not_deleted(backend: SecretsManagerBackend, params: Params) -> None:
    """Refuse operations on a secret pending deletion; moto writes, tags and replicates it."""
    secret = backend.secrets.get(params["SecretId"])
    if secret and secret.is_deleted():
        raise _invalid(
            "You can't perform this operation on the secret because it was marked for deletion.",
            "InvalidRequestException",
        )


def _token_is_new(backend: SecretsManagerBackend, params: Params) -> None:
    """Refuse UpdateSecret with the token of an existing version; moto takes it as a no-op."""
    secret, token = backend.secrets.get(params["SecretId"]), params.get("ClientRequestToken")
    if secret and token in secret.versions and {"SecretString", "SecretBinary"} & params.keys():
        raise _invalid(
            f"You can't use ClientRequestToken {token} because that value is already in use for a version of "
            f"secret {secret.arn}.",
            "ResourceExistsException",
        )


def _stage_can_move(backend: SecretsManagerBackend, params: Params) -> None:
    """Refuse to remove AWSCURRENT, and refuse an invalid move before moto removes the label."""
    source, target = params.get("RemoveFromVersionId"), params.get("MoveToVersionId")
    if params["VersionStage"] == "AWSCURRENT" and source and not target:
        raise _invalid(
            "You can only move staging label AWSCURRENT to a different secret version. "
            "It can't be completely removed."
        )
    secret, label = backend.secrets.get(params["SecretId"]), params["VersionStage"]
    if secret is None or not target:
        return
    if target not in secret.versions:
        raise _invalid(f"Not a valid version: {target}")
    holders = [one for one, version in secret.versions.items() if label in version["version_stages"]]
    if holders and source not in holders:
        raise _invalid(
            f"The parameter RemoveFromVersionId can't be empty. Staging label {label} is currently attached "
            f"to version {holders[0]}, so you must explicitly reference that version in RemoveFromVersionId."
        )


def _policy(_backend: SecretsManagerBackend, params: Params) -> None:
    """Refuse invalid policies, and public ones with BlockPublicPolicy; moto accepts any text."""
    try:
        statements = json.loads(params["ResourcePolicy"])["Statement"]
    except (ValueError, KeyError, TypeError):
        raise _invalid(
            "This resource policy contains invalid Json.", "MalformedPolicyDocumentException"
        ) from None
    if params.get("BlockPublicPolicy") and any(
        one["Effect"] == "Allow" and one.get("Principal") in ("*", {"AWS": "*"}) and not one.get("Condition")
        for one in (statements if isinstance(statements, list) else [statements])
    ):
        raise _invalid("You must not allow broad access to the secret.", "PublicPolicyException")


def _key_can_encrypt(backend: SecretsManagerBackend, params: Params) -> None:
    """Refuse a key that is missing, disabled or pending deletion; moto uses it."""
    if not _usable(backend, params):
        raise _invalid(
            "Secrets Manager can't encrypt the protected secret text using the provided KMS key. Check that "
            "the KMS key is available, enabled, and not in an invalid state.",
            "EncryptionFailure",
        )


def _record_keys(response: SecretsManagerResponse, params: Params) -> None:
    """Remember the keys of each version; moto knows the secret's only, as if changing it re-encrypted all."""
    secret: Any = response.backend.secrets.get(params.get("SecretId") or params.get("Name", ""))
    if secret is None:
        return
    own = secret.kms_key_id or ""
    keys: dict[str, set[str]] = secret.__dict__.setdefault("localaws_keys", {})
    for version_id, version in secret.versions.items():
        rekeyed = "KmsKeyId" in params and getattr(response, "localaws_reencrypts", True)
        if version_id not in keys or (rekeyed and version["version_stages"]):
            keys.setdefault(version_id, set()).add(own)


def _key_can_decrypt(backend: SecretsManagerBackend, params: Params) -> None:
    secret = backend.secrets.get(params.get("SecretId", ""))
    keys = version_keys(secret, params.get("VersionId"), params.get("VersionStage")) if secret else ("",)
    if not any(_enabled(backend, key) for key in keys):
        raise _invalid(
            "Secrets Manager can't decrypt the protected secret text using the provided KMS key.",
            "DecryptionFailure",
        )


def _usable(backend: SecretsManagerBackend, params: Params) -> bool:
    secret = backend.secrets.get(params.get("SecretId", ""))
    return _enabled(backend, params.get("KmsKeyId") or getattr(secret, "kms_key_id", None))


def _enabled(backend: SecretsManagerBackend, key_id: str | None) -> bool:
    if not key_id or "alias/aws/" in key_id:
        return True
    key = find_key(backend.account_id, backend.region_name, key_id)
    return key is not None and key.key_state == "Enabled"


def _stop_replication(response: SecretsManagerResponse) -> str:
    """StopReplicationToReplica, which moto lacks: the replica becomes a secret of its own in its region."""
    backend, secret_id = response.backend, response._get_param("SecretId")
    _not_deleted(backend, {"SecretId": secret_id})
    replica = backend.secrets.get(secret_id)
    if not isinstance(replica, ReplicaSecret):
        raise _invalid("You can only call this operation on a replica secret, in its region.")
    source = replica.source
    own: FakeSecret = copy.copy(source)
    own.arn, own.region, own.replicas = replica.arn, replica.region, []
    own.versions, own.tags, own.kms_key_id = copy.deepcopy(source.versions), copy.deepcopy(source.tags), None
    own.__dict__["localaws_keys"] = {}
    source.replicas.remove(replica)
    dict.pop(backend.secrets, replica.arn)
    secretsmanager_backends[backend.account_id][replica.region].secrets[own.name] = own
    return json.dumps({"ARN": own.arn})


def _refuse_first_deletion() -> None:
    """Refuse the first DeleteSecret after RemoveRegionsFromReplication; moto takes it.

    AWS documents no moment at which a region is gone, and until then it refuses the deletion:
    https://github.com/rebuy-de/aws-nuke/issues/1127
    """
    remove, delete = (
        SecretsManagerBackend.remove_regions_from_replication,
        SecretsManagerBackend.delete_secret,
    )
    removing: set[str] = set()
    """ARNs of secrets."""

    @functools.wraps(remove)
    def remove_regions(self: SecretsManagerBackend, secret_id: str, replica_regions: list[str]) -> Any:
        answer = remove(self, secret_id, replica_regions)
        removing.add(self.describe_secret(secret_id).arn)
        return answer

    @functools.wraps(delete)
    def delete_secret(self: SecretsManagerBackend, secret_id: str, *arguments: Any, **named: Any) -> Any:
        secret = self.secrets.get(secret_id)
        if secret and secret.arn in removing:
            removing.remove(secret.arn)
            raise _invalid(f"You can't delete secret {secret.arn} that still has replica regions.")
        return delete(self, secret_id, *arguments, **named)

    hooked: Any = SecretsManagerBackend
    hooked.remove_regions_from_replication, hooked.delete_secret = remove_regions, delete_secret


def _labelled_versions(secret: FakeSecret) -> dict[str, Any]:
    """Leave deprecated versions (without a label) out of DescribeSecret and ListSecrets; moto shows them."""
    return {
        one: version["version_stages"]
        for one, version in secret.versions.items()
        if version["version_stages"]
    }


def _list_versions(response: SecretsManagerResponse) -> str:
    """ListSecretVersionIds; moto's has the name for the ARN, always deprecated versions, and a wrong time."""
    secret = response.backend.describe_secret(response._get_param("SecretId"))
    every = response._get_bool_param("IncludeDeprecated", False)
    versions = [
        {"VersionId": one, "VersionStages": version["version_stages"], "CreatedDate": version["createdate"]}
        for one, version in secret.versions.items()
        if every or version["version_stages"]
    ]
    return json.dumps({"ARN": secret.arn, "Name": secret.name, "Versions": versions})


def _correct_versions() -> None:
    """Follow a moved stage: moto returns the old version, and the next put makes two AWSCURRENT."""
    read, move = SecretsManagerBackend.get_secret_value, SecretsManagerBackend.update_secret_version_stage

    @functools.wraps(read)
    def get_secret_value(
        self: SecretsManagerBackend, secret_id: str, version_id: Any, version_stage: Any
    ) -> dict[str, Any]:
        secret = self.secrets.get(secret_id)
        current = "AWSCURRENT" if secret and secret.versions and not version_id else None
        return read(self, secret_id, version_id, version_stage or current)  # type: ignore[arg-type]

    @functools.wraps(move)
    def update_secret_version_stage(
        self: SecretsManagerBackend,
        secret_id: str,
        version_stage: str,
        remove_from_version_id: Any,
        move_to_version_id: Any,
    ) -> tuple[str, str]:
        answer = move(self, secret_id, version_stage, remove_from_version_id, move_to_version_id)
        secret = self.secrets[secret_id]
        if version_stage == "AWSCURRENT" and isinstance(secret, FakeSecret):
            secret.set_default_version_id(move_to_version_id)
        return answer

    SecretsManagerBackend.get_secret_value = get_secret_value  # type: ignore[method-assign]  # a hook
    SecretsManagerBackend.update_secret_version_stage = update_secret_version_stage  # type: ignore[method-assign]
