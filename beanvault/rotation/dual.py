"""One user with two passwords: both are valid from before the new one is published until the old one is
discarded.
"""

from __future__ import annotations

from .credential import Credential, new_password
from .database import DatabaseError, connected
from .rotated import Rotated, Tools
from .source import CredentialPath, Published


def rotate(tools: Tools, path: CredentialPath) -> Rotated:
    """Publish a second password of the user in use; a later `discard` ends the first.

    :raises DatabaseError: the server's version has no dual passwords
    :raises BeanvaultError: another named one; the credential in use stays valid in every case
    """
    published = _published(path)
    current = published.credential
    if not tools.replication.is_current(published.revision):
        tools.ui.step(f"version {published.revision.label} isn't replicated yet: finishing that first")
        return _finished(tools, published, resumed=True)
    # The second password may be the one before this: whoever still uses that must have learnt of the current
    # one.
    tools.let_overlap_pass(
        tools.replication.wanted(published.revision).name, f"{current.username}'s old password"
    )
    fresh = Credential(current.username, new_password())
    with connected(tools.database.endpoint, tools.database.master) as session:
        if not session.version().dual_passwords:
            raise DatabaseError(
                f"{tools.database.endpoint} has no dual passwords",
                "MySQL 8.0.14 has; or use --strategy alternating",
            )
        session.add_password(current.username, current.password, fresh.password)
    for credential in (fresh, current):
        tools.prove(credential)
    data = dict(published.data) | {"password": fresh.password}
    return _finished(tools, path.write(data, published.revision.version), resumed=False)


def discard(tools: Tools, path: CredentialPath) -> None:
    """Leave the user only the password that is published, once nobody can be using the one before.

    :raises TooSoon: somebody may
    """
    published = _published(path)
    tools.replication.bring(published.revision)
    current = published.credential
    tools.let_overlap_pass(
        tools.replication.wanted(published.revision).name, f"{current.username}'s old password"
    )
    with connected(tools.database.endpoint, tools.database.master) as session:
        session.keep_only(current.username, current.password)
    tools.prove(current)


def _published(path: CredentialPath) -> Published:
    published = path.read()
    if published is None:
        raise DatabaseError(
            f"{path.source} holds no credential yet",
            "write the first one: `beanvault rotate` with alternating users",
        )
    return published


def _finished(tools: Tools, written: Published, *, resumed: bool) -> Rotated:
    seconds = tools.replication.bring(written.revision)
    wanted = tools.replication.wanted(written.revision)
    return Rotated(
        wanted.source,
        written.credential.username,
        written.revision.label,
        wanted.version_id,
        seconds,
        resumed=resumed,
    )
