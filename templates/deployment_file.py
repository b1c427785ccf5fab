"""Reads a deployment file: from TOML to a `Deployment`, or to an error that lists all invalid keys."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from templates.deployment import Deployment
from templates.deployment_rules import InvalidKey, broken_rules


class DeploymentFileError(ValueError):
    """The deployment file is not valid; `invalid_keys` are all that were found, in the file's terms."""

    def __init__(self, source: str, invalid_keys: Sequence[InvalidKey]) -> None:
        self.source = source
        self.invalid_keys = tuple(invalid_keys)
        count = "1 error" if len(invalid_keys) == 1 else f"{len(invalid_keys)} errors"
        super().__init__("\n  ".join([f"{source}: {count}", *map(str, invalid_keys)]))


def read(path: Path) -> Deployment:
    """Return the deployment that the TOML file at *path* describes.

    Raises:
        DeploymentFileError: some keys are not valid, or the file can't be read or is not TOML.
    """
    try:
        with path.open("rb") as file:
            mapping = tomllib.load(file)
    except OSError as error:
        remedy = "give the path of a readable file"
        raise DeploymentFileError(
            str(path), [InvalidKey("file", error.strerror or str(error), remedy)]
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        remedy = "see https://toml.io for the format"
        raise DeploymentFileError(
            str(path), [InvalidKey("file", f"is not valid TOML: {error}", remedy)]
        ) from None
    return parse(mapping, source=str(path))


def parse(mapping: Mapping[str, Any], source: str = "deployment") -> Deployment:
    """Return the deployment that *mapping*, as TOML gives it, describes.

    A table is checked against the others as soon as its own keys are valid, even where other tables are not.

    Raises:
        DeploymentFileError: some keys are not valid; all are listed.
    """
    tables = {key: _frozen(value) for key, value in mapping.items()}
    invalid_keys: list[InvalidKey] = []
    invalid_tables: set[str] = set()
    try:
        deployment = Deployment.model_validate(tables)
    except ValidationError as error:
        invalid_keys = [_invalid_key(entry) for entry in error.errors()]
        invalid_tables = {str(entry["loc"][0]) for entry in error.errors()}
        # The valid tables are still checked against each other, with defaults in place of the others.
        rest = {key: value for key, value in tables.items() if key not in invalid_tables}
        deployment = Deployment.model_validate({**_STAND_INS, **rest})
    invalid_keys += broken_rules(deployment, invalid_tables)
    if invalid_keys:
        raise DeploymentFileError(source, invalid_keys)
    return deployment


_STAND_INS: Mapping[str, Any] = {"name": "stand-in", "region": "us-east-1", "vault": {"where": "host"}}
"""In place of invalid tables and keys that have no default."""


def _frozen(value: Any) -> Any:
    """Return *value* with tuples for TOML's lists, which strict models do not accept as tuples."""
    if isinstance(value, Mapping):
        return {key: _frozen(inner) for key, inner in value.items()}
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _invalid_key(entry: Any) -> InvalidKey:
    """Return pydantic's error in terms of the file."""
    location = [part for part in entry["loc"] if part not in _TAGS]
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")
    context = entry.get("ctx", {})
    match entry["type"]:
        case "invalid":
            return InvalidKey(key, context["problem"], context["remedy"])
        case "extra_forbidden":
            known = _keys_beside(entry["loc"])
            close = difflib.get_close_matches(str(location[-1]), known, n=1)
            remedy = f"did you mean {close[0]!r}?" if close else f"known keys: {', '.join(known)}"
            return InvalidKey(key, "is not a known key", remedy)
        case "missing":
            return InvalidKey(key, "is missing", "add it")
        case "union_tag_not_found" | "union_tag_invalid":
            choice = context["discriminator"].strip("'")
            choices = ", ".join(f'"{tag}"' for tag in _variants(key))
            return InvalidKey(f"{key}.{choice}", "is missing or unknown", f"give one of {choices}")
        case "literal_error":
            return InvalidKey(key, f"{entry['input']!r} is not a valid choice", f"give {context['expected']}")
        case "greater_than_equal":
            return InvalidKey(key, f"{entry['input']} is too small", f"give {context['ge']} or more")
        case "less_than_equal":
            return InvalidKey(key, f"{entry['input']} is too large", f"give {context['le']} or less")
        case "too_short":
            return InvalidKey(key, "is empty", f"give at least {context['min_length']} entry")
        case _:
            return InvalidKey(key, f"{entry['input']!r} has the wrong type", entry["msg"].lower())


def _variants(table: str) -> dict[str, type[BaseModel]]:
    """Return the models of a table that has several kinds, by the value of its discriminator."""
    info = Deployment.model_fields[table]
    tag = str(info.discriminator)
    return {get_args(model.model_fields[tag].annotation)[0]: model for model in get_args(info.annotation)}


_TAGS = {tag for table in ("domain", "vault") for tag in _variants(table)}


def _keys_beside(location: Sequence[int | str]) -> list[str]:
    """Return the known keys of the table in which an unknown one was found."""
    if len(location) == 1:
        return sorted(Deployment.model_fields)
    table = str(location[0])
    plain = Deployment.model_fields[table].annotation
    model = plain if isinstance(plain, type) else _variants(table)[str(location[1])]
    return sorted(model.model_fields) if issubclass(model, BaseModel) else []
