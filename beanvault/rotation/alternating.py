"""Two users that take turns: while one is in use, the other gets a new password and is then published.

Nothing is ever discarded: the user that was in use before keeps its password until the rotation after this
one.
"""

from __future__ import annotations

from ..errors import ConfigurationError
from .credential import DatabaseCredential, new_password
from .credential_path import CredentialPath, Published
from .rotation_context import RotationContext, RotationResult


def rotate(tools: RotationContext, path: CredentialPath, users: tuple[str, str]) -> RotationResult:
    """Publish a new credential for that of *users* that isn't in use; the first one where none is yet.

    Raises:
        RotationUnderWay: another run isn't done
        TooSoon: that user may still be in use from the rotation before
        Deleted: the path's newest version is deleted, so nobody knows who is in use
        Overtaken: somebody else wrote the path meanwhile
        BeanvaultError: another named one; the credential in use stays valid in every case
    """
    published, resumed = tools.patiently(lambda: _publish(tools, path, users))
    return tools.wait_until_current(published.revision, published.credential.username, resumed=resumed)


def _publish(tools: RotationContext, path: CredentialPath, users: tuple[str, str]) -> tuple[Published, bool]:
    """Return what Vault holds now, and whether it is from a run before."""
    with tools.exclusive() as session:
        published = path.read()
        if published is None:
            username, data, after = users[0], {}, 0
        else:
            username, data, after = _other(users, published), dict(published.data), published.revision.version
            if not tools.replication.is_current(published.revision):
                tools.ui.step(
                    f"version {published.revision.label} isn't replicated yet: finishing that first"
                )
                return published, True
            tools.require_overlap(
                tools.replication.wanted(published.revision).name, f"{username} may still be in use"
            )
        fresh = DatabaseCredential(username, new_password())
        session.set_password(fresh.username, fresh.password)
        tools.prove(fresh)
        tools.require_turn(session)
        written = path.write(data | {"username": fresh.username, "password": fresh.password}, after)
    tools.ui.step(f"{path.source} is version {written.revision.label} in Vault, for {username}")
    return written, False


def _other(users: tuple[str, str], published: Published) -> str:
    """Return whose turn it is after the one who is published.

    Raises:
        ConfigurationError: that is a stranger
    """
    current = published.credential.username
    if current not in users:
        raise ConfigurationError(
            f"{published.revision.source} holds the user {current}, who isn't one of {' and '.join(users)}",
            "name the two users who take turns, or use --strategy dual",
        )
    return users[1] if current == users[0] else users[0]
