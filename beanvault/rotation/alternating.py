"""Two users take turns: while the app uses one, the other gets a new password and is then published.

Nothing is discarded: the user that was published before keeps its password until the next rotation.
"""

from __future__ import annotations

from ..errors import ConfigurationError
from .credential import DatabaseCredential, generate_password
from .credential_store import CredentialStore, StoredCredential
from .rotation_context import RotationContext, RotationResult


def rotate(context: RotationContext, store: CredentialStore, users: tuple[str, str]) -> RotationResult:
    """Publish a new credential of the user in *users* that is not in use; of the first one at the beginning.

    Raises:
        RotationInProgress: another rotation has the lock
        TooSoon: the app may still use that user since the previous rotation
        CredentialDeleted: the path's newest version is deleted, so the user in use is unknown
        ConcurrentWrite: another writer changed the path during the rotation
        Refused: the app uses RDS Proxy, and this would not be the first credential
        BeanvaultError: another named one; the credential in use stays valid in every case
    """
    stored, resumed = context.wait_or_raise(lambda: _publish(context, store, users))
    return context.wait_until_current(stored.revision, stored.credential.username, resumed=resumed)


def _publish(
    context: RotationContext, store: CredentialStore, users: tuple[str, str]
) -> tuple[StoredCredential, bool]:
    """Return the credential now stored in Vault, and whether an interrupted run wrote it."""
    with context.exclusive() as session:
        stored = store.read()
        if stored is None:
            username, data, version = users[0], {}, 0
        else:
            username, data, version = _other(users, stored), dict(stored.data), stored.revision.version
            if not context.replication.is_current(stored.revision):
                context.ui.step(
                    f"version {stored.revision.label} is not replicated yet: completing that first"
                )
                return stored, True
            context.require_no_proxy(store.source)
            context.require_overlap(
                context.replication.desired(stored.revision).name, f"{username} may still be in use"
            )
        fresh = DatabaseCredential(username, generate_password())
        session.set_password(fresh.username, fresh.password)
        context.verify_login(fresh)
        context.require_lock(session)
        written = store.write(data | {"username": fresh.username, "password": fresh.password}, version)
    context.ui.step(f"{store.source} is version {written.revision.label} in Vault, for {username}")
    return written, False


def _other(users: tuple[str, str], stored: StoredCredential) -> str:
    """Return the user that is not published.

    Raises:
        ConfigurationError: the published user is neither of *users*
    """
    current = stored.credential.username
    if current not in users:
        raise ConfigurationError(
            f"{stored.revision.source} has the user {current}, which is neither {users[0]} nor {users[1]}",
            "name the two users that take turns, or use --strategy dual",
        )
    return users[1] if current == users[0] else users[0]
