"""Two users that take turns: while one is in use, the other gets a new password and is then published.

Nothing is ever discarded: the user that was in use before keeps its password until the rotation after this
one.
"""

from __future__ import annotations

from ..errors import ConfigurationError
from .credential import Credential, new_password
from .database import connected
from .rotated import Rotated, Tools
from .source import CredentialPath


def rotate(tools: Tools, path: CredentialPath, users: tuple[str, str]) -> Rotated:
    """Publish a new credential for that of *users* that isn't in use; the first one where none is yet.

    :raises TooSoon: that user may still be in use from the rotation before
    :raises Overtaken: somebody else wrote the path meanwhile
    :raises BeanvaultError: another named one; the credential in use stays valid in every case
    """
    published = path.read()
    if published is None:
        username, data, after = users[0], {}, path.newest()
    else:
        current = published.credential.username
        if current not in users:
            raise ConfigurationError(
                f"{path.source} holds the user {current}, who isn't one of {' and '.join(users)}",
                "name the two users who take turns, or use --strategy dual",
            )
        if not tools.replication.is_current(published.revision):
            tools.ui.step(f"version {published.revision.label} isn't replicated yet: finishing that first")
            seconds = tools.replication.bring(published.revision)
            version_id = tools.replication.wanted(published.revision).version_id
            return Rotated(path.source, current, published.revision.label, version_id, seconds, resumed=True)
        username = users[1] if current == users[0] else users[0]
        tools.let_overlap_pass(tools.replication.wanted(published.revision).name, username)
        data, after = dict(published.data), published.revision.version
    fresh = Credential(username, new_password())
    with connected(tools.database.endpoint, tools.database.master) as session:
        session.set_password(fresh.username, fresh.password)
    tools.prove(fresh)
    written = path.write(data | {"username": fresh.username, "password": fresh.password}, after)
    tools.ui.step(f"{path.source} is version {written.revision.label} in Vault, for {username}")
    seconds = tools.replication.bring(written.revision)
    version_id = tools.replication.wanted(written.revision).version_id
    return Rotated(path.source, username, written.revision.label, version_id, seconds)
