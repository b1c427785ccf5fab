"""Story of replicator/sources/kv2.py, replicator/plan.py and replicator/apply.py.

What happens to a path of KV version 2 (`sources/kv2.py`), from a real OpenBao to Secrets Manager.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from replicator.config import ReplicaRegion
from replicator.contract.connection import VaultAddress
from replicator.contract.summary import Count
from replicator.report import RunReport
from replicator.sources.kv2 import Kv2Mount
from replicator.vault import Vault


def settled(bench: Any) -> None:
    """Assert that another run finds everything as it is to be."""
    report = bench.run()
    assert report.healthy, report.problems()
    assert report.outcomes == []


def healthy(report: RunReport) -> RunReport:
    assert report.healthy, report.problems()
    return report


def test_nested_paths_become_secrets_and_a_second_run_does_nothing(bench: Any) -> None:
    bench.write("app/database", username="app", password="canary-1")
    bench.write("a/b/c/d/e", deep="canary-2")
    healthy(bench.run())
    assert json.loads(bench.value("app/database")) == {"username": "app", "password": "canary-1"}
    assert json.loads(bench.value("a/b/c/d/e")) == {"deep": "canary-2"}
    settled(bench)


def test_a_path_can_be_a_folder_too(bench: Any) -> None:
    bench.write("app", key="canary-path")
    bench.write("app/database", key="canary-below")
    healthy(bench.run())
    assert json.loads(bench.value("app")) == {"key": "canary-path"}
    assert json.loads(bench.value("app/database")) == {"key": "canary-below"}
    settled(bench)


def test_a_new_version_becomes_current(bench: Any) -> None:
    bench.write("app/database", password="canary-old")
    bench.run()
    bench.write("app/database", password="canary-new")
    report = healthy(bench.run())
    assert report.counts()[Count.UPDATED] == 1
    assert 0 < report.lag_seconds < 60
    assert json.loads(bench.value("app/database")) == {"password": "canary-new"}
    assert bench.tags("app/database")["beanvault:version"] == "2"
    settled(bench)


def test_the_old_value_written_again_is_replicated_again(bench: Any) -> None:
    for password in ("canary-a", "canary-b", "canary-a"):
        bench.write("db", password=password)
        healthy(bench.run())
        assert json.loads(bench.value("db")) == {"password": password}
    settled(bench)


def test_a_path_rolled_back_in_vault_shows_the_old_value(bench: Any) -> None:
    """`vault kv rollback` writes the old data as a new version."""
    bench.write("db", password="canary-1")
    bench.write("db", password="canary-2")
    bench.run()
    old = bench.vault.secrets.kv.v2.read_secret_version(
        "db", version=1, mount_point=bench.mount, raise_on_deleted_version=True
    )
    bench.write("db", **old["data"]["data"])
    healthy(bench.run())
    assert json.loads(bench.value("db")) == {"password": "canary-1"}
    settled(bench)


def test_a_soft_deleted_path_is_scheduled_for_deletion_and_restored_when_undeleted(bench: Any) -> None:
    bench.set(deletion_days=7, max_delete_share=1.0)
    bench.write("db", password="canary")
    bench.run()
    arn = bench.describe("db")["ARN"]
    bench.vault.secrets.kv.v2.delete_latest_version_of_secret("db", mount_point=bench.mount)
    assert healthy(bench.run()).counts()[Count.DELETED] == 1
    assert "DeletedDate" in bench.describe("db")
    settled(bench)
    bench.vault.secrets.kv.v2.undelete_secret_versions("db", versions=[1], mount_point=bench.mount)
    assert healthy(bench.run()).counts()[Count.RESTORED] == 1
    assert json.loads(bench.value("db")) == {"password": "canary"}
    assert bench.describe("db")["ARN"] == arn
    settled(bench)


def test_a_soft_deleted_path_is_an_orphan_where_secrets_are_retained(bench: Any) -> None:
    bench.write("db", password="canary")
    bench.run()
    bench.vault.secrets.kv.v2.delete_latest_version_of_secret("db", mount_point=bench.mount)
    report = healthy(bench.run())
    assert "its current version 1 is deleted" in "\n".join(report.summary().lines())
    assert "is an orphan" in "\n".join(report.summary().lines())
    assert json.loads(bench.value("db")) == {"password": "canary"}


def test_a_destroyed_version_is_a_deletion(bench: Any) -> None:
    bench.set(deletion_days=7, max_delete_share=1.0)
    bench.write("db", password="canary")
    bench.run()
    bench.vault.secrets.kv.v2.destroy_secret_versions("db", versions=[1], mount_point=bench.mount)
    report = healthy(bench.run())
    assert report.counts()[Count.DELETED] == 1
    assert "is destroyed" in "\n".join(report.summary().lines())


def test_an_older_version_that_is_destroyed_changes_nothing(bench: Any) -> None:
    bench.write("db", password="canary-1")
    bench.write("db", password="canary-2")
    bench.run()
    bench.vault.secrets.kv.v2.destroy_secret_versions("db", versions=[1], mount_point=bench.mount)
    settled(bench)


def test_a_deletion_time_in_the_future_is_still_live(bench: Any) -> None:
    bench.vault.secrets.kv.v2.update_metadata("db", mount_point=bench.mount, delete_version_after="1h")
    bench.write("db", password="canary")
    healthy(bench.run())
    assert json.loads(bench.value("db")) == {"password": "canary"}


def test_a_deletion_time_that_passed_is_a_deletion(bench: Any, openbao: Any) -> None:
    """The clock of the run is what passes; OpenBao's answer is the real one."""
    bench.vault.secrets.kv.v2.update_metadata("db", mount_point=bench.mount, delete_version_after="1h")
    bench.write("db", password="canary")
    vault = Vault(VaultAddress(openbao.address, ca_bundle=bench.ca_bundle))
    vault.use_token(openbao.root_token)
    later = (datetime.now(UTC) + timedelta(hours=2)).timestamp()
    (entry,) = Kv2Mount(vault, bench.mount, lambda: later).list()
    assert entry.reason == "its current version 1 is deleted"  # type: ignore[union-attr]  # or it fails


def test_a_path_removed_and_written_again_is_an_update_although_its_version_is_1_again(bench: Any) -> None:
    bench.write("db", password="canary-old")
    bench.run()
    bench.vault.secrets.kv.v2.delete_metadata_and_all_versions("db", mount_point=bench.mount)
    bench.write("db", password="canary-new")
    assert healthy(bench.run()).counts()[Count.UPDATED] == 1
    assert json.loads(bench.value("db")) == {"password": "canary-new"}
    assert bench.tags("db")["beanvault:version"] == "1"
    settled(bench)


def test_a_path_with_metadata_and_no_version_is_skipped(bench: Any) -> None:
    bench.choose("db", aws_name="later")
    report = healthy(bench.run())
    assert "it has no version yet" in "\n".join(report.summary().lines())


def test_paths_with_unusual_characters_are_encoded_and_come_back(bench: Any) -> None:
    for path in ("my app/é", "50%", "a=b", "a%2Fb", "what?", "a#b", "a&b;c", "x y/z"):
        bench.write(path, password=f"canary {path}")
    healthy(bench.run())
    assert json.loads(bench.value("my=20app/=C3=A9")) == {"password": "canary my app/é"}
    assert json.loads(bench.value("50=25")) == {"password": "canary 50%"}
    assert json.loads(bench.value("a=3Db")) == {"password": "canary a=b"}
    assert json.loads(bench.value("what=3F")) == {"password": "canary what?"}
    settled(bench)


def test_numbers_arrive_in_the_characters_that_vault_sends(bench: Any) -> None:
    bench.write("db", big=12345678901234567890, fraction=0.1, tiny=1e-7)
    healthy(bench.run())
    assert bench.value("db") == '{"big":12345678901234567000,"fraction":0.1,"tiny":1e-7}'


def test_a_large_value_is_refused_with_its_size_and_the_others_are_replicated(bench: Any) -> None:
    bench.write("large", blob="x" * 70_000)
    bench.write("db", password="canary")
    report = bench.run()
    assert [each.error for each in report.problems()] == ["ValueRefused"]
    assert "70011 bytes" in report.problems()[0].cause
    assert json.loads(bench.value("db")) == {"password": "canary"}


def test_users_choose_name_tags_key_and_format_with_custom_metadata(bench: Any) -> None:
    aws_key = bench.session.client("kms").create_key()["KeyMetadata"]["KeyId"]
    bench.set(kms_keys_allowed=frozenset({aws_key}))
    bench.write("db", password="canary")
    bench.choose(
        "db", aws_name="chosen/name", aws_kms_key=aws_key, aws_format="plain", **{"aws-tag-team": "blue"}
    )
    bench.write("private", password="canary-private")
    bench.choose("private", replicate="false")
    healthy(bench.run())
    assert bench.value("chosen/name") == "canary"
    assert bench.describe("chosen/name")["KmsKeyId"] == aws_key
    assert bench.tags("chosen/name")["team"] == "blue"
    assert [each["Name"] for each in bench.secrets()] == [bench.name("chosen/name")]
    settled(bench)


def test_choices_that_change_later_are_followed(bench: Any) -> None:
    bench.write("db", password="canary")
    bench.choose("db", **{"aws-tag-team": "blue"})
    bench.run()
    bench.choose("db", **{"aws-tag-unit": "red"})
    healthy(bench.run())
    assert bench.tags("db")["unit"] == "red"
    assert "team" not in bench.tags("db")
    settled(bench)


def test_a_copy_that_was_edited_in_the_console_is_overwritten(bench: Any) -> None:
    bench.write("db", password="canary")
    bench.run()
    for number in range(3):
        bench.aws.put_secret_value(SecretId=bench.name("db"), SecretString=f"edited {number}")
    report = healthy(bench.run())
    assert "the copy was edited" in "\n".join(report.summary().lines())
    assert json.loads(bench.value("db")) == {"password": "canary"}
    settled(bench)


def test_a_copy_that_was_rolled_back_in_the_console_gets_its_stage_back(bench: Any) -> None:
    bench.write("db", password="canary-1")
    bench.run()
    bench.write("db", password="canary-2")
    bench.run()
    stages = bench.describe("db")["VersionIdsToStages"]
    current = next(version for version, labels in stages.items() if "AWSCURRENT" in labels)
    previous = next(version for version, labels in stages.items() if "AWSPREVIOUS" in labels)
    bench.aws.update_secret_version_stage(
        SecretId=bench.name("db"),
        VersionStage="AWSCURRENT",
        MoveToVersionId=previous,
        RemoveFromVersionId=current,
    )
    assert json.loads(bench.value("db")) == {"password": "canary-1"}
    report = healthy(bench.run())
    assert "the copy was rolled back" in "\n".join(report.summary().lines())
    assert json.loads(bench.value("db")) == {"password": "canary-2"}
    settled(bench)


def test_a_foreign_secret_is_a_conflict_until_its_adoption_is_configured(bench: Any) -> None:
    bench.aws.create_secret(Name=bench.name("db"), SecretString="theirs")
    bench.write("db", password="canary")
    report = bench.run()
    assert [each.error for each in report.problems()] == ["Conflict"]
    assert bench.value("db") == "theirs"
    bench.set(adopt=frozenset({bench.name("db")}))
    healthy(bench.run())
    assert json.loads(bench.value("db")) == {"password": "canary"}
    settled(bench)


def test_a_foreign_secret_that_is_scheduled_for_deletion_is_a_conflict(bench: Any) -> None:
    bench.aws.create_secret(Name=bench.name("db"), SecretString="theirs")
    bench.aws.delete_secret(SecretId=bench.name("db"), RecoveryWindowInDays=7)
    bench.write("db", password="canary")
    assert [each.error for each in bench.run().problems()] == ["Conflict"]
    assert "DeletedDate" in bench.describe("db")


def test_replica_regions_are_added_kept_and_removed_and_deleted_before_the_secret(bench: Any) -> None:
    def regions() -> list[str]:
        return sorted(each["Region"] for each in bench.describe("db").get("ReplicationStatus", []))

    bench.write("db", password="canary")
    bench.set(replica_regions=(ReplicaRegion("eu-west-1"), ReplicaRegion("us-east-1")))
    healthy(bench.run())
    assert regions() == ["eu-west-1", "us-east-1"]
    settled(bench)
    bench.set(replica_regions=(ReplicaRegion("eu-west-1"),))
    healthy(bench.run())
    assert regions() == ["eu-west-1"]
    bench.set(deletion_days=7, max_delete_share=1.0)
    bench.vault.secrets.kv.v2.delete_latest_version_of_secret("db", mount_point=bench.mount)
    assert healthy(bench.run()).counts()[Count.DELETED] == 1
    assert regions() == []


def test_a_replica_region_where_the_name_is_taken_is_reported_by_name(bench: Any) -> None:
    elsewhere = bench.session.client("secretsmanager", region_name="eu-west-1")
    elsewhere.create_secret(Name=bench.name("db"), SecretString="theirs")
    bench.write("db", password="canary")
    bench.set(replica_regions=(ReplicaRegion("eu-west-1"),))
    for _ in range(2):
        (problem,) = bench.run().problems()
        assert problem.error == "ReplicaFailed"
        assert "eu-west-1" in problem.cause
    assert elsewhere.get_secret_value(SecretId=bench.name("db"))["SecretString"] == "theirs"


def test_only_named_paths_are_replicated(bench: Any) -> None:
    bench.write("one", password="canary")
    bench.write("two", password="canary")
    report = healthy(bench.run(f"{bench.mount}/one", f"{bench.mount}/missing"))
    assert [each["Name"] for each in bench.secrets()] == [bench.name("one")]
    assert "there is no such path" in "\n".join(report.summary().lines())


def test_a_dry_run_changes_nothing(bench: Any) -> None:
    bench.write("db", password="canary")
    report = healthy(bench.run(dry_run=True))
    assert report.counts()[Count.CREATED] == 1
    assert bench.secrets() == []
