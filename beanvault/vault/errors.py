"""Errors of requests to Vault, with remedies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import requests
from hvac import exceptions as hvac_errors

from replicator.tls import ISSUE_AGAIN, missing_extension

from ..errors import BeanvaultError, Denied, Unreachable


class VaultError(BeanvaultError):
    """Vault refused a request for a reason of its own."""


@contextmanager
def explained(request: str) -> Iterator[None]:
    """Raise errors of hvac and the network as `BeanvaultError`s; *request* completes "Vault refused …"."""
    try:
        yield
    except hvac_errors.Forbidden as error:
        raise Denied(
            f"Vault refused {request}: permission denied", "use a token whose policy allows it"
        ) from error
    except hvac_errors.VaultDown as error:
        raise Unreachable(
            f"Vault is sealed or not initialised: {request}", "unseal it: `beanvault vault init`"
        ) from error
    except (hvac_errors.RateLimitExceeded, hvac_errors.BadGateway, hvac_errors.InternalServerError) as error:
        raise Unreachable(
            f"Vault could not answer: {request} ({type(error).__name__})", "see Vault's log, then try again"
        ) from error
    except hvac_errors.VaultError as error:
        # Vault's own messages name paths and options, never a secret's value.
        raise VaultError(
            f"Vault refused {request}: {'; '.join(error.errors or []) or type(error).__name__}"
        ) from error
    except requests.exceptions.SSLError as error:
        if missing := missing_extension(error):
            raise Unreachable(
                f"Vault's certificate is refused: {missing}: {request}", f"{ISSUE_AGAIN} (docs/replicator.md)"
            ) from error
        raise Unreachable(
            f"Vault's certificate isn't trusted: {request}",
            "name the authority that signed it with --vault-ca-file",
        ) from error
    except requests.exceptions.RequestException as error:
        raise Unreachable(
            f"Vault didn't answer: {request} ({type(error).__name__})",
            "check its address and the network path to it",
        ) from error
