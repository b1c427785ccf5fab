"""One user with two passwords, both valid until the old one is discarded."""

from __future__ import annotations

from .credential import DatabaseCredential, new_password
from .credential_path import CredentialPath, Published
from .database import RotationDatabaseError
from .rotation_context import RotationContext, RotationResult


def rotate(tools: RotationContext, path: CredentialPath) -> RotationResult:
    """Publish a second password of the user in use; a later `discard` ends the first.

    Raises:
        RotationUnderWay: another run isn't done
        DatabaseError: the server's version has no dual passwords
        BeanvaultError: another named one; the credential in use stays valid in every case
    """
    published, resumed = tools.patiently(lambda: _publish(tools, path))
    return tools.wait_until_current(published.revision, published.credential.username, resumed=resumed)


def _publish(tools: RotationContext, path: CredentialPath) -> tuple[Published, bool]:
    """Return what Vault holds now, and whether it is from a run before."""
    with tools.exclusive() as session:
        published = _published(path)
        current = published.credential
        if not tools.replication.is_current(published.revision):
            tools.ui.step(f"version {published.revision.label} isn't replicated yet: finishing that first")
            return published, True
        # The second password may be the one before this: whoever still uses that must have learnt of the
        # current one.
        _require_overlap(tools, published)
        if not session.version().dual_passwords:
            raise RotationDatabaseError(
                f"{tools.database.endpoint} has no dual passwords",
                "MySQL 8.0.14 has; or use --strategy alternating",
            )
        fresh = DatabaseCredential(current.username, new_password())
        session.add_password(current.username, current.password, fresh.password)
        for credential in (fresh, current):
            tools.prove(credential)
        tools.require_turn(session)
        data = dict(published.data) | {"password": fresh.password}
        return path.write(data, published.revision.version), False


def discard(tools: RotationContext, path: CredentialPath) -> None:
    """Leave the user only the password that is published, once nobody can be using the one before.

    Raises:
        RotationUnderWay: another run isn't done
        TooSoon: somebody may
    """
    tools.patiently(lambda: _discard(tools, path))


def _discard(tools: RotationContext, path: CredentialPath) -> None:
    with tools.exclusive() as session:
        published = _published(path)
        tools.replication.wait_until_current(published.revision)
        current = published.credential
        _require_overlap(tools, published)
        tools.require_turn(session)
        session.keep_only(current.username, current.password)
    tools.prove(current)


def _require_overlap(tools: RotationContext, published: Published) -> None:
    name = tools.replication.wanted(published.revision).name
    tools.require_overlap(name, f"{published.credential.username}'s old password may still be in use")


def _published(path: CredentialPath) -> Published:
    published = path.read()
    if published is None:
        raise RotationDatabaseError(
            f"{path.source} holds no credential yet",
            "write the first one: `beanvault rotate` with alternating users",
        )
    return published
