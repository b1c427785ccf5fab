"""What a rendered template imports."""

from __future__ import annotations

import troposphere

from beanvault.deployment.deployment_plan import imports


def test_imports_are_found_at_any_depth() -> None:
    template = troposphere.Template()
    template.add_output(
        troposphere.Output(
            "Both",
            Value=troposphere.Join(
                ",", [troposphere.ImportValue("there"), troposphere.ImportValue("missing")]
            ),
        )
    )
    assert imports(template.to_dict()) == {"there", "missing"}
