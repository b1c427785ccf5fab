"""One user with two passwords, both valid until the old one is discarded."""

from __future__ import annotations

from .credential import DatabaseCredential, generate_password
from .credential_store import CredentialStore, StoredCredential
from .database import RotationDatabaseError
from .rotation_context import RotationContext, RotationResult


def rotate(context: RotationContext, store: CredentialStore) -> RotationResult:
    """Publish a second password of the user in use; a later `discard` ends the first one.

    Raises:
        RotationInProgress: another rotation has the lock
        RotationDatabaseError: the server's version has no dual passwords
        BeanvaultError: another named one; the credential in use stays valid in every case
    """
    stored, resumed = context.wait_or_raise(lambda: _publish(context, store))
    return context.wait_until_current(stored.revision, stored.credential.username, resumed=resumed)


def _publish(context: RotationContext, store: CredentialStore) -> tuple[StoredCredential, bool]:
    """Return the credential now stored in Vault, and whether an interrupted run wrote it."""
    with context.exclusive() as session:
        stored = _require_stored(store)
        current = stored.credential
        if not context.replication.is_current(stored.revision):
            context.ui.step(f"version {stored.revision.label} is not replicated yet: completing that first")
            return stored, True
        # A third password ends the first one: every process must know the current one by then.
        _require_overlap(context, stored)
        if not session.version().dual_passwords:
            raise RotationDatabaseError(
                f"{context.database.endpoint} does not support dual passwords",
                "use --strategy alternating, or upgrade to MySQL 8.0.14 or later",
            )
        fresh = DatabaseCredential(current.username, generate_password())
        session.add_password(current.username, current.password, fresh.password)
        for credential in (fresh, current):
            context.verify_login(credential)
        context.require_lock(session)
        data = dict(stored.data) | {"password": fresh.password}
        return store.write(data, stored.revision.version), False


def discard(context: RotationContext, store: CredentialStore) -> None:
    """Leave the user only the published password, once the previous one can't be in use any more.

    Raises:
        RotationInProgress: another rotation has the lock
        TooSoon: the previous password can still be in use
    """
    context.wait_or_raise(lambda: _discard(context, store))


def _discard(context: RotationContext, store: CredentialStore) -> None:
    with context.exclusive() as session:
        stored = _require_stored(store)
        context.replication.wait_until_current(stored.revision)
        current = stored.credential
        _require_overlap(context, stored)
        context.require_lock(session)
        session.keep_only(current.username, current.password)
    context.verify_login(current)


def _require_overlap(context: RotationContext, stored: StoredCredential) -> None:
    name = context.replication.desired(stored.revision).name
    context.require_overlap(name, f"{stored.credential.username}'s old password may still be in use")


def _require_stored(store: CredentialStore) -> StoredCredential:
    stored = store.read()
    if stored is None:
        raise RotationDatabaseError(
            f"{store.source} has no credential yet",
            "write the first one with alternating users: `beanvault rotate`",
        )
    return stored
