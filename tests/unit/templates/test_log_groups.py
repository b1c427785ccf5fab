"""Log groups that a stack takes over from an earlier deployment."""

from __future__ import annotations

from templates import data_layer
from templates.log_groups import taking_over

from .renders import deployment


def test_a_log_group_is_taken_over_by_its_name_alone_and_survives_a_roll_back() -> None:
    """An import sets no property, so that the update after it has to find all of them changed."""
    template = data_layer.build(deployment("production"))
    before = template.to_dict()
    importing = taking_over(template, {"AuditLogGroup"}).to_dict()
    assert importing["Resources"].pop("AuditLogGroup") == {
        "Type": "AWS::Logs::LogGroup",
        "Properties": {"LogGroupName": "/aws/rds/instance/beanvault-database/audit"},
        "DeletionPolicy": "Retain",
        "UpdateReplacePolicy": "Retain",
    }
    assert template.to_dict() == before
    del before["Resources"]["AuditLogGroup"]
    assert importing == before
