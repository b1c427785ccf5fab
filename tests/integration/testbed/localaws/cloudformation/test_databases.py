"""Story of testbed/localaws/cloudformation/types/database.py and testbed/localaws/services/rds.py.

RDS instances of stacks, answered by the real MariaDB.
"""

from __future__ import annotations

import json
from typing import Any

import pymysql
import pytest

from testbed.servers.mariadb import MariaDB


def _template(name: str) -> dict[str, Any]:
    instance = {
        "DBInstanceIdentifier": name,
        "DBInstanceClass": "db.t4g.micro",
        "Engine": "mysql",
        "EngineVersion": "8.4.5",
        "AllocatedStorage": "20",
        "StorageEncrypted": True,
        "MasterUsername": f"{name}_m",
        "ManageMasterUserPassword": True,
        "MasterUserSecret": {"KmsKeyId": {"Ref": "Key"}},
        "DBName": f"{name}_app",
    }
    return {
        "Resources": {
            "Key": {"Type": "AWS::KMS::Key", "Properties": {}},
            "Db": {"Type": "AWS::RDS::DBInstance", "DeletionPolicy": "Delete", "Properties": instance},
        },
        "Outputs": {
            "Host": {"Value": {"Fn::GetAtt": "Db.Endpoint.Address"}},
            "Port": {"Value": {"Fn::GetAtt": "Db.Endpoint.Port"}},
            "Secret": {"Value": {"Fn::GetAtt": "Db.MasterUserSecret.SecretArn"}},
            "Key": {"Value": {"Fn::GetAtt": "Key.Arn"}},
        },
    }


def test_an_upgrade_to_the_next_series_needs_consent_and_its_own_parameter_group(stacks: Any) -> None:
    """As in RDS, which also never goes back; with both it is made in place."""
    name = stacks.name()
    template = _template(name)
    instance = template["Resources"]["Db"]["Properties"]
    parameters = {"Family": "mysql8.4", "Description": "of one series"}
    template["Resources"]["Parameters"] = {"Type": "AWS::RDS::DBParameterGroup", "Properties": parameters}
    instance["DBParameterGroupName"] = {"Ref": "Parameters"}
    stacks.deploy(name, template)

    def refused() -> str:
        assert stacks.deploy(name, template)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
        events = stacks.api.describe_stack_events(StackName=name)["StackEvents"]  # the latest first
        return next(str(e["ResourceStatusReason"]) for e in events if e["ResourceStatus"] == "UPDATE_FAILED")

    instance["EngineVersion"] = "9.7"
    assert "AllowMajorVersionUpgrade" in refused()
    instance["AllowMajorVersionUpgrade"] = True
    assert "mysql8.4 cannot be used" in refused()
    parameters["Family"] = "mysql9.7"
    assert stacks.deploy(name, template)["StackStatus"] == "UPDATE_COMPLETE"
    (found,) = stacks.aws.client("rds").describe_db_instances(DBInstanceIdentifier=name)["DBInstances"]
    assert found["EngineVersion"] == "9.7"
    instance["EngineVersion"], parameters["Family"] = "8.4", "mysql8.4"
    assert "Cannot upgrade" in refused()
    stacks.delete(name)


def test_a_stacks_database_is_reached_with_the_managed_credential_over_tls(
    stacks: Any, mariadb: MariaDB
) -> None:
    name = stacks.name()
    outputs = {o["OutputKey"]: o["OutputValue"] for o in stacks.deploy(name, _template(name))["Outputs"]}
    manager, rds = stacks.aws.client("secretsmanager"), stacks.aws.client("rds")
    described = manager.describe_secret(SecretId=outputs["Secret"])
    assert described["Name"].startswith("rds!db-")
    assert outputs["Key"].endswith(described["KmsKeyId"])
    credential = json.loads(manager.get_secret_value(SecretId=outputs["Secret"])["SecretString"])

    def connect() -> pymysql.Connection[Any]:
        return pymysql.connect(
            host=outputs["Host"],
            port=int(outputs["Port"]),
            user=credential["username"],
            password=credential["password"],
            database=f"{name}_app",
            ssl_ca=str(mariadb.ca_file),
            ssl_verify_cert=True,
            ssl_verify_identity=True,
        )

    with connect() as connection, connection.cursor() as cursor:
        cursor.execute("SHOW STATUS LIKE 'Ssl_cipher'")
        row = cursor.fetchone()
        assert row is not None
        assert row[1]
        cursor.execute("SHOW GRANTS")
        assert "WITH GRANT OPTION" in str(cursor.fetchall())
    instance = rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]
    assert instance["Endpoint"]["Address"] == outputs["Host"]
    assert instance["DbiResourceId"] != "db-M5ENSHXFPU6XHZ4G4ZEI5QIO2U"

    assert stacks.delete(name)["StackStatus"] == "DELETE_COMPLETE"
    with pytest.raises(pymysql.err.OperationalError, match="Access denied"):
        connect()
