"""A mount is read the same way by the function, the deployment file and the Vault policy."""

from __future__ import annotations

import pytest

from beanvault.vault import policies
from replicator.config import Config
from replicator.contract.mounts import Mount, MountError, mount_of, parse_source
from replicator.errors import ConfigError
from templates.deployment import Deployment
from templates.deployment_file import DeploymentFileError, parse

FILE = {"name": "shop", "region": "eu-central-1", "vault": {"where": "host"}, "database": {"mode": "iam"}}
VARIABLES = {
    "BEANVAULT_CONNECTION_SECRET": "shop-connection",
    "BEANVAULT_PREFIX": "shop",
    "BEANVAULT_OWNER": "shop",
}

ACCEPTED = {
    ("beanvault",): (("kv", "beanvault"),),
    ("kv:beanvault",): (("kv", "beanvault"),),
    ("team/kv",): (("kv", "team/kv"),),
    ("kv:a:b",): (("kv", "a:b"),),
    ("kv:kv:a",): (("kv", "kv:a"),),
    ("kv:database:a",): (("kv", "database:a"),),
    ("database:x",): (("database", "x"),),
    ("database:x:y",): (("database", "x:y"),),
    ("database:x?port=1",): (("database", "x"),),
    ("database:x?engine=mysql&host=db.example&port=3307&dbname=app",): (("database", "x"),),
    ("beanvault/",): (("kv", "beanvault"),),
    ("kv:/beanvault/",): (("kv", "beanvault"),),
    ("/beanvault",): (("kv", "beanvault"),),
    (" beanvault ",): (("kv", "beanvault"),),
    ("a", "b"): (("kv", "a"), ("kv", "b")),
    ("a", "a/b"): (("kv", "a"), ("kv", "a/b")),
}

REFUSED = (
    ("",),
    ("/",),
    ("kv:",),
    ("kv:/",),
    ("database:?port=1",),
    ("pki:ca",),
    ("a:b",),
    ("KV:a",),
    ("a//b",),
    ("a/../b",),
    ("a,b",),
    ("my kv",),
    ('a"b',),
    ("a*",),
    ("+",),
    ("kv:a?engine=mysql",),
    ("database:x?",),
    ("database:x?colour=red",),
    ("database:x?host=",),
    ("database:x?port=high",),
    ("database:x?port=1&port=2",),
    ("beanvault", "beanvault"),
    ("beanvault", "kv:beanvault"),
    ("beanvault", "beanvault/"),
    ("beanvault", "database:beanvault"),
)


def file(texts: tuple[str, ...]) -> Deployment:
    return parse(FILE | {"replicator": {"mounts": list(texts)}})


@pytest.mark.parametrize(("texts", "mounts"), ACCEPTED.items(), ids=map(repr, ACCEPTED))
def test_all_readers_see_the_same_mounts(texts: tuple[str, ...], mounts: tuple[tuple[str, str], ...]) -> None:
    config = Config.from_environ({**VARIABLES, "BEANVAULT_MOUNT": ",".join(texts)})
    assert tuple((each.kind, each.path) for each in config.mounts) == mounts
    paths = tuple(path for _, path in mounts)
    assert file(texts).replicator.mount_paths == paths
    kinds = {policies.MountKind.DATABASE: "database"}
    granted = policies.configured(texts)
    assert tuple((kinds.get(each.kind, "kv"), each.path) for each in granted) == mounts


@pytest.mark.parametrize("texts", REFUSED, ids=map(repr, REFUSED))
def test_all_readers_refuse_what_is_not_a_mount(texts: tuple[str, ...]) -> None:
    with pytest.raises(DeploymentFileError, match=r"replicator\.mounts"):
        file(texts)
    with pytest.raises(MountError):
        policies.configured(texts)
    if texts != ("a,b",):  # the variable separates mounts by commas
        with pytest.raises(ConfigError):
            Config.from_environ({**VARIABLES, "BEANVAULT_MOUNT": ",".join(texts)})


def test_a_source_belongs_to_the_deepest_mount_that_holds_it() -> None:
    mounts = (Mount("kv", "kv"), Mount("kv", "kv/small"), Mount("kv", "k"))
    assert mount_of("kv/small/db", mounts) == mounts[1]
    assert mount_of("kv/smaller/db", mounts) == mounts[0]
    assert mount_of("kvs/db", mounts) is None


@pytest.mark.parametrize("text", ["kv/db", "/kv/db", "kv/db/", "/kv/db/"])
def test_slashes_around_a_source_are_ignored(text: str) -> None:
    assert parse_source(text) == "kv/db"


@pytest.mark.parametrize("text", ["", "/", "kv//db", "kv/../db", "."])
def test_a_source_that_would_be_another_path_in_a_url_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="segment"):
        parse_source(text)
