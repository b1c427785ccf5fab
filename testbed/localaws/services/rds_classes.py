"""RDS: which classes of MySQL instances can be created, for which moto answers that there are none.

The data is cfn-lint's, which AWS's own lists are the source of.
"""

from __future__ import annotations

import functools
import json
from importlib import resources
from typing import Any

from moto.core.responses import PaginatedResult
from moto.rds.responses import RDSResponse


def install() -> None:
    """Answer DescribeOrderableDBInstanceOptions for MySQL."""
    kind: Any = RDSResponse
    original = kind.describe_orderable_db_instance_options

    @functools.wraps(original)
    def describe(self: Any) -> Any:
        if self.params.get("Engine") != "mysql":
            return original(self)
        wanted = self.params.get("DBInstanceClass")
        classes = [each for each in _classes(self.region) if wanted in (None, each)]
        options = [{"Engine": "mysql", "DBInstanceClass": each, "Vpc": True} for each in classes]
        return PaginatedResult({"OrderableDBInstanceOptions": options})

    kind.describe_orderable_db_instance_options = describe


@functools.cache
def _classes(region: str) -> tuple[str, ...]:
    folder = resources.files("cfnlint.data.schemas.extensions.aws_rds_dbinstance")
    rules = json.loads(folder.joinpath("dbinstanceclass_enum.json").read_text())[region]["allOf"]
    found = {
        each
        for rule in rules
        if rule["if"]["properties"]["Engine"] == {"const": "mysql"}
        for each in rule["then"]["properties"]["DBInstanceClass"]["enum"]
    }
    return tuple(sorted(found))
