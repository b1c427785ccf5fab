"""Story of templates/deployment_file.py, templates/deployment.py, templates/deployment_sections.py,
templates/deployment_values.py and templates/deployment_rules.py.

`templates.deployment_file`, with `deployment` and its `_sections`, `_values` and `_rules`.
"""

from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from templates.beanstalk_options.table import OPTIONS
from templates.beanstalk_options.values import Choice
from templates.deployment import Deployment
from templates.deployment_file import DeploymentFileError, parse, read
from templates.deployment_sections import Network
from templates.deployment_values import InterfaceEndpoint, Range, RetentionDays
from tests.project import ROOT

LEAST: dict[str, Any] = {"name": "demo", "region": "eu-central-1", "vault": {"where": "host"}}


def invalid_keys(**changes: Any) -> dict[str, str]:
    """Return the problem and remedy of each invalid key of a valid file with *changes*, by key."""
    with pytest.raises(DeploymentFileError) as caught:
        parse(LEAST | changes)
    return {invalid.key: f"{invalid.problem}; {invalid.remedy}" for invalid in caught.value.invalid_keys}


@pytest.mark.parametrize("name", ["dev", "production"])
def test_the_shipped_files_are_valid(name: str) -> None:
    """And `production.toml` meets the rules of production."""
    assert read(ROOT / "config" / f"{name}.toml").production == (name == "production")


def test_the_eb_cli_finds_the_trial_from_a_clone() -> None:
    """`.elasticbeanstalk/config.yml` names what `config/dev.toml` creates."""
    own = yaml.safe_load((ROOT / ".elasticbeanstalk" / "config.yml").read_text())
    trial = read(ROOT / "config" / "dev.toml")
    assert own["global"]["application_name"] == trial.application_name
    assert own["branch-defaults"]["default"]["environment"] == trial.environment_name


@pytest.mark.parametrize("name", ["internal", "internal-shop", "awseb", "awseb-shop"])
def test_a_name_with_a_reserved_prefix_of_load_balancers_is_invalid(name: str) -> None:
    assert "internal-" in invalid_keys(name=name)["name"]


def test_a_range_too_small_for_its_addresses_is_invalid() -> None:
    """The smallest subnets have 11 addresses: ten endpoints and the functions take them all."""
    endpoints = list(get_args(InterfaceEndpoint))
    small = {"cidr": "10.20.0.0/24", "endpoints": endpoints}
    assert "give a larger range" in invalid_keys(network=small)["network.cidr"]
    # 11 less two functions, the Vault host and two endpoints, in two zones, twice.
    few = {"cidr": "10.20.0.0/24", "endpoints": endpoints[:2]}
    assert "up to 6" in invalid_keys(network=few, app={"max_instances": 7})["network.cidr"]
    assert parse(LEAST | {"network": few, "app": {"max_instances": 6}}).app.max_instances == 6
    assert parse(LEAST | {"network": {"endpoints": endpoints}, "app": {"max_instances": 200}})


def test_instances_have_one_architecture() -> None:
    """Beanstalk launches them all from one image."""
    assert (
        "t4g.small" in invalid_keys(app={"instance_types": ["t4g.small", "t3.small"]})["app.instance_types"]
    )
    for types in (["t4g.small", "m7g.large", "c7gn.large"], ["t3.small", "m7i.large"]):
        assert parse(LEAST | {"app": {"instance_types": types}}).app.instance_types == tuple(types)


def test_more_adoptions_than_the_policy_holds_are_refused() -> None:
    names = [f"app/{number}" for number in range(100)]
    assert "list the next" in invalid_keys(replicator={"adopt": names})["replicator.adopt"]


def test_the_least_file_is_enough() -> None:
    """Name, region and where Vault is; all else has a default."""
    deployment = parse(LEAST)
    assert (deployment.prefix, deployment.credential_secret) == ("demo", "demo/app/database")
    assert deployment.network.cidr == Range("10.20.0.0/16")


def test_a_deployment_can_not_be_changed() -> None:
    """Every layer is built from the same values."""
    with pytest.raises(ValidationError):
        parse(LEAST).name = "other"


def test_log_retention_is_one_that_beanstalk_accepts_too() -> None:
    """CloudWatch accepts a few more; they would fail when the environment is created."""
    takes = OPTIONS["aws:elasticbeanstalk:cloudwatch:logs"]["RetentionInDays"]
    assert isinstance(takes, Choice)
    assert {str(days) for days in get_args(RetentionDays)} == takes.values
    for days in (1096, 2192, 2557, 2922, 3288):
        assert invalid_keys(logs={"retention_days": days}).keys() == {"logs.retention_days"}


def test_all_invalid_keys_are_reported_at_once() -> None:
    """Keys of several tables, the relations between valid tables, and unknown keys."""
    found = invalid_keys(
        name="Bad--",
        region="mars-1",
        colour="blue",
        network={"cidr": "10.0.0.0/30", "availability_zones": 5, "azs": 2},
        database={"port": 3306, "backup_days": "seven"},
        domain={"certificate": "issued", "nam": "x"},
        app={"min_instances": 4, "max_instances": 2},
        replicator={"deletion": "schedule:3", "schedule": "rate(1 minutes)"},
        production=True,
        edge={"waf": False},
    )
    assert found.keys() >= {
        *("name", "region", "colour", "network.cidr", "network.availability_zones", "network.azs"),
        *("database.port", "database.backup_days", "domain.nam", "domain.name", "domain.hosted_zone_id"),
        *("app.max_instances", "replicator.deletion", "replicator.schedule"),
        *("edge.waf", "alerts", "vault.where"),  # valid tables, against each other
    }


def test_the_message_names_file_keys_and_remedies(tmp_path: Path) -> None:
    """It is read in a terminal, with the file open beside it."""
    path = tmp_path / "mine.toml"
    path.write_text('name = "demo"\nregion = "eu-central-1"\n[vault]\nwhere = "host"\nprot = 8200\n')
    with pytest.raises(DeploymentFileError) as caught:
        read(path)
    assert str(caught.value) == f"{path}: 1 error\n  vault.prot: is not a known key; did you mean 'port'?"


@pytest.mark.parametrize(
    ("content", "problem"),
    [(None, "No such file"), ("name = ", "is not valid TOML"), (b"\xff", "is not valid TOML")],
)
def test_a_file_that_can_not_be_read_is_reported_too(
    tmp_path: Path, content: str | bytes | None, problem: str
) -> None:
    """Missing, not TOML, or not even text."""
    path = tmp_path / "mine.toml"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DeploymentFileError, match=problem):
        read(path)


@pytest.mark.parametrize(
    ("table", "key", "expected"),
    [
        ({"name": "two--hyphens"}, "name", "2 to 20"),
        ({"name": "9lives"}, "name", "2 to 20"),
        ({"region": "eu-central"}, "region", "eu-central-1"),
        ({"tags": {"aws:owner": "me"}}, "tags.aws:owner.[key]", "do not begin"),
        ({"network": {"cidr": "10.20.1.0/16"}}, "network.cidr", "host bits"),
        ({"network": {"cidr": "8.8.0.0/16"}}, "network.cidr", "private"),
        ({"network": {"cidr": 10}}, "network.cidr", "not a string"),
        ({"network": {"nat": "dual"}}, "network.nat", "'per-az' or 'single'"),
        ({"network": {"endpoints": ["s3", "kms"]}}, "network.endpoints[0]", "not a valid choice"),
        ({"vault": {"where": "nowhere"}}, "vault.where", '"transit-gateway"'),
        ({"vault": {"where": "outside", "cidrs": []}}, "vault.cidrs", "at least 1"),
        (
            {"vault": {"where": "outside", "cidrs": ["0.0.0.0/0"]}},
            "vault.cidrs[0]",
            "large part of the internet",
        ),
        (
            {"vault": {"where": "outside", "cidrs": ["10.20.9.0/24"]}},
            "vault.cidrs[0]",
            "overlaps network.cidr",
        ),
        (
            {"vault": {"where": "outside", "cidrs": ["10.9.0.0/16", "10.9.1.0/24"]}},
            "vault.cidrs",
            "remove one of them",
        ),
        (
            {"vault": {"where": "vpn", "cidrs": ["9.9.9.0/24"], "gateway_address": "9.9.9.9"}},
            "vault.cidrs[0]",
            "not a private range",
        ),
        ({"app": {"instance_types": []}}, "app.instance_types", "at least 1"),
        (
            {"app": {"environment": {"BEANVAULT_BUS_NAME": "x"}}},
            "app.environment",
            "without the prefix BEANVAULT_",
        ),
        ({"database": {"port": 3306}}, "database.port", "3307"),
        ({"database": {"port": True}}, "database.port", "wrong type"),
        ({"database": {"storage_gb": 100, "max_storage_gb": 105}}, "database.max_storage_gb", "110 or more"),
        ({"database": {"performance_insights": True}}, "database.performance_insights", "larger class"),
        ({"replicator": {"mounts": ["other"]}}, "replicator.mounts", '"iam"'),
        ({"replicator": {"max_delete_share": 1.5}}, "replicator.max_delete_share", "1"),
        (
            {"replicator": {"replica_regions": ["eu-central-1"]}},
            "replicator.replica_regions[0]",
            "own region",
        ),
        ({"replicator": {"replica_regions": ["cn-north-1"]}}, "replicator.replica_regions[0]", "China"),
        ({"replicator": {"key_aliases": ["alias/aws/s3"]}}, "replicator.key_aliases[0]", "of your own"),
        ({"alerts": {"emails": ["nobody"]}}, "alerts.emails[0]", "ops@example.com"),
        ({"alerts": {"webhooks": ["http://example.com"]}}, "alerts.webhooks[0]", "https"),
        ({"logs": {"retention_days": 42}}, "logs.retention_days", "not a valid choice"),
        (
            {
                "domain": {
                    "certificate": "existing",
                    "name": "app.example.com",
                    "certificate_arn": "arn:aws:acm:us-east-1:123456789012:certificate/0b1c",
                }
            },
            "domain.certificate_arn",
            "eu-central-1",
        ),
    ],
)
def test_an_invalid_key_is_reported_with_a_remedy(table: dict[str, Any], key: str, expected: str) -> None:
    """One invalid value is one error, under its own key."""
    found = invalid_keys(**table)
    assert list(found) == [key]
    assert expected in found[key]


def test_production_names_each_of_its_rules() -> None:
    """What a trial can do and production cannot, all at once."""
    found = invalid_keys(
        production=True,
        network={"nat": "single"},
        app={"min_instances": 1},
        database={"deletion_protection": False, "backup_days": 1},
        edge={"waf": False, "deletion_protection": False},
        logs={"retention_days": 30},
    )
    assert found.keys() == {
        *("network.nat", "domain.certificate", "app.min_instances", "vault.where", "alerts"),
        *("database.multi_az", "database.deletion_protection", "database.backup_days"),
        *("edge.waf", "edge.deletion_protection", "logs.retention_days"),
    }
    assert all(
        'or set "production" to false' in text or "cluster of your own" in text for text in found.values()
    )


@given(prefix=st.integers(16, 24), zones=st.integers(2, 3), second=st.integers(0, 255))
def test_subnets_lie_in_the_vpc_and_apart(prefix: int, zones: int, second: int) -> None:
    """One of each kind per zone, none overlapping, whatever the VPC's size."""
    network = Network(cidr=Range(f"10.{second}.0.0/{prefix}"), availability_zones=zones)
    subnets = [subnet for kind in network.subnets for subnet in kind]
    assert len(subnets) == 3 * zones
    assert all(subnet.subnet_of(network.cidr) and subnet.prefixlen <= 28 for subnet in subnets)
    assert not any(one.overlaps(other) for one in subnets for other in subnets if one is not other)


@pytest.mark.parametrize(
    ("vault", "key", "expected"),
    [
        ({"account": "123456789012"}, "vault.role_arn", "can accept the peering in account 123456789012"),
        ({"role_arn": "arn:aws:iam::123456789012:role/peer"}, "vault.account", "that account's number"),
        (
            {"account": "210987654321", "role_arn": "arn:aws:iam::123456789012:role/peer"},
            "vault.role_arn",
            "not a role of account 210987654321",
        ),
        ({"region": "eu-centrall-1"}, "vault.region", "did you mean 'eu-central-1'?"),
    ],
)
def test_a_peering_that_nobody_could_accept_is_refused(
    vault: dict[str, Any], key: str, expected: str
) -> None:
    """CloudFormation accepts it itself; in another account only with a role of that account."""
    peered = {"where": "peering", "cidrs": ["10.90.0.0/24"], "vpc_id": "vpc-0123456789abcdef0"}
    found = invalid_keys(vault=peered | vault)
    assert list(found) == [key]
    assert expected in found[key]


def test_a_peering_with_a_role_or_in_another_region_of_the_account_is_valid() -> None:
    peered = {"where": "peering", "cidrs": ["10.90.0.0/24"], "vpc_id": "vpc-0123456789abcdef0"}
    there = {"account": "123456789012", "role_arn": "arn:aws:iam::123456789012:role/peer"}
    for more in ({}, there, {"region": "mx-central-1"}, there | {"region": "eu-west-1"}):
        assert parse(LEAST | {"vault": peered | more})


@pytest.mark.parametrize("address", ["10.0.0.1", "999.1.1.1", "224.0.0.1", "127.0.0.1", "vpn.example.com"])
def test_a_vpn_device_has_a_public_address(address: str) -> None:
    vpn = {"where": "vpn", "cidrs": ["10.90.0.0/24"], "gateway_address": address}
    assert "public IPv4 address" in invalid_keys(vault=vpn)["vault.gateway_address"]


def test_every_key_that_is_read_has_a_default_or_is_missed() -> None:
    """An empty file gets errors for the required keys only."""
    with pytest.raises(DeploymentFileError) as caught:
        parse({})
    assert {invalid.key for invalid in caught.value.invalid_keys} == {"name", "region", "vault"}
    assert set(Deployment.model_fields) > {"name", "region", "vault"}


def test_a_database_mount_names_what_its_credentials_are_completed_with() -> None:
    """The function reads the same text; only a database mount has parameters, and each has a value."""
    mounts = ["beanvault", "kv:team/kv", "database:engine?engine=mysql&host=db.example&port=3307&dbname=app"]
    described = LEAST | {"replicator": {"mounts": mounts}}
    assert parse(described).replicator.mount_paths == ("beanvault", "team/kv", "engine")
    for wrong in ("kv:team?engine=mysql", "database:engine?", "database:engine?host="):
        assert "replicator.mounts[1]" in invalid_keys(replicator={"mounts": ["beanvault", wrong]})
