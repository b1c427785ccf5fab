"""Route 53: CreateHostedZone."""

from __future__ import annotations

import secrets
import string
from typing import Any

from moto.route53 import models


def install() -> None:
    """Give hosted zones ids like real ones (Z and 20 letters and digits); moto's are longer."""

    def zone_id(**_: Any) -> str:
        return "Z" + "".join(secrets.choice(string.ascii_uppercase + string.digits) for _ in range(20))

    route53: Any = models
    route53.create_route53_zone_id = zone_id
