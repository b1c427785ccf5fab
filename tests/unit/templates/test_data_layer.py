"""Story of templates/data_layer.py, templates/bootstrap.py and templates/database_proxy.py.

`templates.data_layer`, `bootstrap` and `database_proxy`, as rendered.
"""

from typing import Any, get_args

import pytest

from templates.aws_versions import DATABASE_ENGINE_VERSION, DATABASE_PARAMETER_FAMILY
from templates.data_layer import build
from templates.deployment import APP_USERS, IAM_USER, SCHEMA
from templates.deployment_file import parse
from templates.deployment_sections import Database
from tests.unit.templates.renders import (
    CONFIGURATIONS,
    Rendered,
    deployment,
    layers,
    resolve,
    resource,
    resources,
)

LOGS = ["audit", "error", "general", "slowquery"]


def _database(configuration: str) -> Rendered:
    return resource(configuration, "data", "Database")


def _statements(configuration: str, title: str) -> list[dict[str, Any]]:
    found = resource(configuration, "data", title)["PolicyDocument"]["Statement"]
    statements: list[dict[str, Any]] = resolve(found, configuration, "data")
    return statements


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
@pytest.mark.parametrize(
    ("control", "properties"),
    [
        ("RDS.2", {"PubliclyAccessible": False}),
        ("RDS.3", {"StorageEncrypted": True}),
        ("RDS.6", {"MonitoringInterval": 30}),
        ("RDS.9", {"EnableCloudwatchLogsExports": LOGS}),
        ("RDS.10", {"EnableIAMDatabaseAuthentication": True}),
        ("RDS.13", {"AutoMinorVersionUpgrade": True}),
        ("RDS.17", {"CopyTagsToSnapshot": True}),
        ("RDS.25", {"MasterUsername": "beanvault_master"}),
        ("SEC09-BP02", {"CACertificateIdentifier": "rds-ca-rsa4096-g1"}),
        ("SecretsManager.1", {"ManageMasterUserPassword": True}),
        ("support", {"EngineLifecycleSupport": "open-source-rds-extended-support-disabled"}),
    ],
)
def test_a_control_holds_in_every_configuration(
    configuration: str, control: str, properties: dict[str, object]
) -> None:
    """What no deployment file can turn off."""
    database = _database(configuration)
    assert {name: database.get(name) for name in properties} == properties, control


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_disk_and_master_secret_are_encrypted_with_the_data_key(configuration: str) -> None:
    """And no password is in the template, not even as a parameter."""
    database = _database(configuration)
    assert database["KmsKeyId"] == database["MasterUserSecret"]["KmsKeyId"]
    assert database["KmsKeyId"]["Fn::ImportValue"].endswith("-keys-DataKeyArn")
    assert "MasterUserPassword" not in database
    parameters = set(layers(configuration)["data"]["Parameters"])
    assert parameters - {"CredentialArn"} == {"BootstrapCodeBucket", "BootstrapCodeKey"}


@pytest.mark.parametrize("series", ["8.4", "9.7"])
def test_the_groups_belong_to_the_release_series(series: str) -> None:
    """RDS refuses an instance with the parameters or options of another."""
    tables = {"name": "shop", "region": "eu-central-1", "vault": {"where": "host"}}
    template = build(parse({**tables, "database": {"engine_version": series}})).to_dict()["Resources"]
    assert template["Database"]["Properties"]["EngineVersion"] == series
    assert template["ParameterGroup"]["Properties"]["Family"] == f"mysql{series}"
    assert template["OptionGroup"]["Properties"]["MajorEngineVersion"] == series


def test_the_file_offers_the_series_that_rds_supports() -> None:
    """And the one in use where it names none."""
    field = Database.model_fields["engine_version"]
    assert set(get_args(field.annotation)) == DATABASE_ENGINE_VERSION.supported
    assert field.default == DATABASE_ENGINE_VERSION.in_use
    families = {f"mysql{series}" for series in DATABASE_ENGINE_VERSION.supported}
    assert families == DATABASE_PARAMETER_FAMILY.supported


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_logins_are_audited_and_no_statement_is(configuration: str) -> None:
    """RDS.9: without the option the audit log is empty. ALTER USER would hold a password."""
    assert _database(configuration)["OptionGroupName"] == {"Ref": "OptionGroup"}
    group = resource(configuration, "data", "OptionGroup")
    (option,) = group["OptionConfigurations"]
    assert option["OptionName"] == "MARIADB_AUDIT_PLUGIN"
    settings = {each["Name"]: each["Value"] for each in option["OptionSettings"]}
    # Without a list of excluded users, which has no effect on logins.
    assert settings == {"SERVER_AUDIT_EVENTS": "CONNECT"}
    assert "general_log" not in resource(configuration, "data", "ParameterGroup")["Parameters"]


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_the_database_accepts_tls_only(configuration: str) -> None:
    """RDS.39: the default is off."""
    parameters = resource(configuration, "data", "ParameterGroup")["Parameters"]
    assert parameters["require_secure_transport"] == "1"
    assert parameters["tls_version"] == "TLSv1.2,TLSv1.3"


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_the_log_groups_exist_before_rds_creates_them(configuration: str) -> None:
    """Encrypted and with a retention, unlike those that RDS creates."""
    template = layers(configuration)["data"]["Resources"]
    groups = [name for name in template["Database"]["DependsOn"] if name.endswith("LogGroup")]
    names = [template[group]["Properties"]["LogGroupName"] for group in groups]
    name = deployment(configuration).name
    assert names == [f"/aws/rds/instance/{name}-database/{kind}" for kind in LOGS]


def test_production_has_what_its_file_sets() -> None:
    """RDS.5, RDS.8, RDS.11 and RDS.26."""
    database = _database("production")
    assert (database["MultiAZ"], database["DeletionProtection"]) == (True, True)
    assert (database["BackupRetentionPeriod"], database["MaxAllocatedStorage"]) == (35, 1000)
    assert database["PerformanceInsightsKMSKeyId"] == database["KmsKeyId"]
    selected = resource("production", "data", "BackupSelection")["BackupSelection"]["Resources"]
    assert [entry["Fn::Sub"].rsplit(":", 1)[1] for entry in selected] == ["${Database}"]


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_deletion_leaves_a_snapshot(configuration: str) -> None:
    """Also of a trial."""
    database = layers(configuration)["data"]["Resources"]["Database"]
    assert (database["DeletionPolicy"], database["UpdateReplacePolicy"]) == ("Snapshot", "Snapshot")


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_events_of_instance_parameters_and_groups_go_to_the_topic(configuration: str) -> None:
    """RDS.20 to RDS.22."""
    sources = {
        resource(configuration, "data", f"{kind}EventSubscription")["SourceType"]
        for kind in ("Instance", "ParameterGroup", "SecurityGroup")
    }
    assert sources == {"db-instance", "db-parameter-group", "db-security-group"}


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_the_bootstrap_reads_the_master_secret_and_no_other(configuration: str) -> None:
    """Allowed for one, refused for all the rest, decrypted through Secrets Manager only."""
    attribute = {"Fn::GetAtt": ["Database", "MasterUserSecret.SecretArn"]}
    master = resolve(attribute, configuration, "data")
    allowed = {statement["Sid"]: statement for statement in _statements(configuration, "BootstrapRoleAllow")}
    assert allowed["ReadSecret"]["Resource"] == [master]
    decrypting = allowed["DecryptSecret"]["Condition"]
    assert decrypting["StringLike"] == {"kms:EncryptionContext:SecretARN": master}
    assert "kms:ViaService" in decrypting["StringEquals"]
    (denied,) = _statements(configuration, "BootstrapRoleDeny")
    assert (denied["Effect"], denied["NotResource"]) == ("Deny", [master])


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_the_bootstrap_creates_the_users_of_the_design(configuration: str) -> None:
    """Those that rotation and app expect."""
    bootstrap = resource(configuration, "data", "DatabaseBootstrap")
    assert (bootstrap["Schema"], bootstrap["IamUser"]) == (SCHEMA, IAM_USER)
    assert bootstrap["Users"] == list(APP_USERS)
    assert bootstrap["Host"] == {"Fn::GetAtt": ["Database", "Endpoint.Address"]}


def test_the_proxy_requires_tls_and_reads_the_credential_only() -> None:
    """RDS.43; the secret is the replicated one, not another one of the stack."""
    proxy = resource("everything", "data", "Proxy")
    assert (proxy["RequireTLS"], proxy["DebugLogging"]) == (True, False)
    assert [auth["SecretArn"] for auth in proxy["Auth"]] == [{"Ref": "CredentialArn"}]
    secrets = resources("everything", "AWS::SecretsManager::Secret")
    assert "data" not in {layer for layer, _, _ in secrets}
    statements = _statements("everything", "ProxyRoleAllow") + _statements("everything", "ProxyRoleDeny")
    named = {str(s.get("Resource", s.get("NotResource"))) for s in statements if "kms" not in s["Action"][0]}
    assert len(named) == 1


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_the_app_gets_the_address_to_connect_to(configuration: str) -> None:
    """The proxy on its own port in mode proxy, else the database."""
    database = deployment(configuration).database
    environment = resource(configuration, "environment", "Environment")
    options = {
        setting["OptionName"]: resolve(setting["Value"], configuration, "environment")
        for setting in environment["OptionSettings"]
    }
    where = options["BEANVAULT_DATABASE_HOST"], options["BEANVAULT_DATABASE_PORT"]
    if database.mode == "proxy":
        assert where == ("Proxy.Endpoint", "3306")
    else:
        assert where == ("Database.Endpoint.Address", str(database.port))
