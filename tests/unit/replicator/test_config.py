"""Settings: typed, and all problems are reported at once."""

from __future__ import annotations

import pytest

from replicator.config import Config, ReplicaRegion
from replicator.contract.mounts import Mount
from replicator.errors import ConfigError

LEAST = {
    "BEANVAULT_CONNECTION_SECRET": "shop-connection",
    "BEANVAULT_MOUNT": "beanvault",
    "BEANVAULT_PREFIX": "shop",
    "BEANVAULT_OWNER": "shop",
}


def problems(**changes: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        Config.from_environ({**LEAST, **changes})
    return caught.value.problems


def test_four_variables_are_enough_and_the_defaults_are_careful() -> None:
    config = Config.from_environ(LEAST)
    assert config == Config("shop-connection", (Mount("kv", "beanvault"),), "shop", "shop")
    assert (config.deletion_days, config.max_delete_share, config.allow_http) == (None, 0.1, False)


def test_all_missing_variables_are_named_together() -> None:
    with pytest.raises(ConfigError) as caught:
        Config.from_environ({})
    assert len(caught.value.problems) == 4
    for name in LEAST:
        assert f"{name} is not set" in caught.value.problems


def test_all_problems_are_reported_at_once() -> None:
    found = problems(
        BEANVAULT_MOUNT="pki:ca,kv:/,a,a,database:db?colour=red",
        BEANVAULT_DELETION="schedule:31",
        BEANVAULT_MAX_DELETE_SHARE="most",
        BEANVAULT_ADOPT="elsewhere/x",
        BEANVAULT_REPLICA_REGIONS="moon,eu-west-1,eu-west-1",
        BEANVAULT_TOPIC_ARN="alerts",
        BEANVAULT_ALLOW_HTTP="perhaps",
    )
    for name in (
        "MOUNT",
        "DELETION",
        "MAX_DELETE_SHARE",
        "ADOPT",
        "REPLICA_REGIONS",
        "TOPIC_ARN",
        "ALLOW_HTTP",
    ):
        assert any(problem.startswith(f"BEANVAULT_{name} ") for problem in found), name
    assert len([problem for problem in found if problem.startswith("BEANVAULT_MOUNT ")]) == 4


def test_mounts_are_of_two_kinds_and_a_database_mount_can_add_keys() -> None:
    config = Config.from_environ(
        {
            **LEAST,
            "BEANVAULT_MOUNT": "team/kv, kv:other, "
            "database:db?engine=mysql&host=db.example&port=3307&dbname=app",
        }
    )
    assert config.mounts == (
        Mount("kv", "team/kv"),
        Mount("kv", "other"),
        Mount(
            "database",
            "db",
            (("dbname", "app"), ("engine", "mysql"), ("host", "db.example"), ("port", "3307")),
        ),
    )


def test_the_first_kms_key_is_the_default_and_all_named_are_allowed() -> None:
    config = Config.from_environ({**LEAST, "BEANVAULT_KMS_KEY_ID": "alias/default, alias/team-a"})
    assert config.kms_key == "alias/default"
    assert config.kms_keys_allowed == {"alias/default", "alias/team-a"}


def test_a_deletion_is_scheduled_with_a_window_of_7_to_30_days() -> None:
    for days in (7, 30):
        config = Config.from_environ({**LEAST, "BEANVAULT_DELETION": f"schedule:{days}"})
        assert config.deletion_days == days
    for wrong in ("schedule:6", "schedule:31", "schedule", "now", "schedule:-7"):
        assert len(problems(BEANVAULT_DELETION=wrong)) == 1


def test_the_connection_secret_must_not_lie_below_the_prefix() -> None:
    arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:shop/connection-AbCdEf"
    assert len(problems(BEANVAULT_CONNECTION_SECRET="shop/connection")) == 1
    assert len(problems(BEANVAULT_CONNECTION_SECRET=arn)) == 1


def test_replica_regions_can_name_their_key_and_never_the_home_region() -> None:
    config = Config.from_environ(
        {**LEAST, "BEANVAULT_REPLICA_REGIONS": "us-east-1=alias/copy,eu-west-1", "AWS_REGION": "eu-central-1"}
    )
    assert config.replica_regions == (ReplicaRegion("eu-west-1"), ReplicaRegion("us-east-1", "alias/copy"))
    assert len(problems(BEANVAULT_REPLICA_REGIONS="eu-central-1", AWS_REGION="eu-central-1")) == 1


def test_more_replica_regions_than_fit_into_a_tag_are_refused() -> None:
    """The tag is longest while none of them is confirmed."""
    fit = [f"eu-{letter * 9}-1" for letter in "abcdefghijklmno"] + ["us-pppppppppp-1"]
    assert len(" ".join(f"+{region}" for region in fit)) == 256
    config = Config.from_environ({**LEAST, "BEANVAULT_REPLICA_REGIONS": ",".join(fit)})
    assert len(config.replica_regions) == len(fit)
    fit[-1] = "us-ppppppppppp-1"
    assert problems(BEANVAULT_REPLICA_REGIONS=",".join(fit)) == [
        "BEANVAULT_REPLICA_REGIONS names 16 regions, more than fit into the 256 characters of a tag"
    ]


def test_a_typing_error_in_a_variable_name_is_not_ignored() -> None:
    assert problems(BEANVAULT_DELETON="schedule:7") == [
        "BEANVAULT_DELETON is not a setting; did you mean BEANVAULT_DELETION?"
    ]


def test_other_programs_variables_are_ignored() -> None:
    Config.from_environ({**LEAST, "BEANVAULT_DATABASE_HOST": "db", "BEANVAULT_SOURCE_PATH": "x"})
