"""The account's switch for outbound web identity federation, which AWS refuses to set twice."""

from __future__ import annotations

from contextlib import suppress
from typing import Any


def enable_federation(iam: Any) -> str:
    """Switch it on and return the issuer."""
    with suppress(iam.exceptions.FeatureEnabledException):
        iam.enable_outbound_web_identity_federation()
    issuer: str = iam.get_outbound_web_identity_federation_info()["IssuerIdentifier"]
    return issuer


def disable_federation(iam: Any) -> bool:
    """Switch it off and return whether it was on."""
    with suppress(iam.exceptions.FeatureDisabledException):
        iam.disable_outbound_web_identity_federation()
        return True
    return False
