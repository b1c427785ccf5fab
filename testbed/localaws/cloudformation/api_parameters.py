"""Converts template values (often text) to the types of API parameters in botocore's model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from botocore import xform_name
from moto.core.utils import get_service_model

from .errors import ResourceFailed


@cache
def input_shape(service: str, operation: str) -> Any:
    """Return botocore's shape of an operation's parameters; *operation* is boto3's name of it."""
    model = get_service_model(service)
    return next(
        model.operation_model(name).input_shape
        for name in model.operation_names
        if xform_name(name) == operation
    )


def fit(shape: Any, value: Any, where: str = "") -> Any:
    """Convert a template's values ('5', 'true', documents) to the type of an API's shape."""
    kind = shape.type_name
    if kind == "structure" and isinstance(value, Mapping):
        members = {member.lower(): member for member in shape.members}
        if extra := sorted(key for key in value if key.lower() not in members):
            raise ResourceFailed(
                f"Properties validation failed: extraneous key [{where}{extra[0]}] is not permitted"
            )
        return {
            members[key.lower()]: fit(shape.members[members[key.lower()]], item, f"{where}{key}.")
            for key, item in value.items()
        }
    if kind == "list":
        return _fit_list(shape, value, where)
    if kind == "map" and isinstance(value, Mapping):
        return {str(key): fit(shape.value, item, f"{where}{key}.") for key, item in value.items()}
    return _fit_scalar(kind, value)


def _fit_list(shape: Any, value: Any, where: str) -> list[Any]:
    if isinstance(value, Mapping):  # tags: a mapping here, key-value pairs in the API, whose names differ
        key, text = [m for m in shape.member.members if m.lower().endswith(("key", "value"))][:2]
        return [{key: k, text: str(v)} for k, v in value.items()]
    items = value if isinstance(value, list) else [value]
    if shape.member.type_name == "structure" and items and all(isinstance(item, str) for item in items):
        key = next(m for m in shape.member.members if m.lower().endswith("key"))
        return [{key: item} for item in items]
    return [fit(shape.member, item, where) for item in items]


def _fit_scalar(kind: str, value: Any) -> Any:
    if isinstance(value, bool) and kind == "string":
        return str(value).lower()
    if kind == "boolean":
        return value if isinstance(value, bool) else str(value).lower() == "true"
    if kind == "string":
        return json.dumps(value) if isinstance(value, (dict, list)) else str(value)
    if kind in ("integer", "long"):
        return int(value)
    if kind in ("float", "double"):
        return float(value)
    if kind == "blob" and isinstance(value, str):
        return value.encode()
    return value
