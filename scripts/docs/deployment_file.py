"""The reference of the deployment file: keys from the typed model, rules of production from its checks."""

from __future__ import annotations

import ast
import re
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Le, MinLen
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from scripts.docs.markdown import DESCRIPTIONS, TEXT, code, page, table
from templates import deployment, deployment_sections
from templates.deployment import Deployment
from templates.deployment_file import DeploymentFileError, parse
from templates.deployment_sections import Domain, Section, Vault
from templates.deployment_values import CidrRange


def build() -> str:
    parts = [
        TEXT["deployment_file"],
        _section(Deployment, "## Top level"),
    ]
    for name, info in Deployment.model_fields.items():
        models = _models(info.annotation)
        if name in VARIANTS:
            tag = str(info.discriminator)
            parts.append(f"## [{name}]\n\nOne of {len(models)} kinds, selected by `{tag}`.")
            parts += [_section(model, f'### {tag} = "{_tag(model, tag)}"', skip=tag) for model in models]
        elif models:
            parts.append(_section(models[0], f"## [{name}]"))
    parts += ["## What `production = true` rejects", _production()]
    return page(
        "The deployment file",
        "`templates/deployment.py`, `deployment_sections.py` and `deployment_rules.py`",
        *parts,
    )


VARIANTS = {"domain": Domain, "vault": Vault}


def _section(model: type[BaseModel], heading: str, skip: str = "") -> str:
    doc = "" if model is Deployment else f"\n\n{' '.join((model.__doc__ or '').split())}"
    rows = [
        (code(key), form(info), default(info), meaning(model, key))
        for key, info in model.model_fields.items()
        if key != skip and key not in VARIANTS and not _models(info.annotation)
    ]
    return f"{heading}{doc}\n\n" + (
        table(("key", "form", "default", "meaning"), rows) if rows else "No further keys."
    )


def _models(annotation: Any) -> list[type[Section]]:
    found = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
    return [each for each in found if isinstance(each, type) and issubclass(each, Section)]


def _tag(model: type[BaseModel], tag: str) -> str:
    return str(get_args(model.model_fields[tag].annotation)[0])


def default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    return code(_toml(info.default)) if info.default is not None else "none"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, Mapping):
        return "{}"
    return str(value) if isinstance(value, (int, float)) else f'"{value}"'


def form(info: FieldInfo) -> str:
    """Return a description of the values that a key accepts."""
    return _form(Annotated[(info.annotation, *info.metadata)] if info.metadata else info.annotation)


def _form(annotation: Any) -> str:
    metadata: tuple[Any, ...] = ()
    bare = annotation
    if get_origin(annotation) is Annotated:
        bare, *rest = get_args(annotation)
        metadata = tuple(rest)
    origin, inner = get_origin(bare), get_args(bare)
    if origin in (Union, types.UnionType):
        one = next(each for each in inner if each is not type(None))
        return _form(Annotated[(one, *metadata)] if metadata else one)
    if origin is Literal:
        return (", " if len(inner) > 3 else " or ").join(code(_toml(each)) for each in inner)
    if origin is tuple:
        least = next((each.min_length for each in metadata if isinstance(each, MinLen)), 0)
        return f"list{f' of at least {least}' if least else ''}: {_form(inner[0])}"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"table of text; keys: {_form(inner[0])}"
    if annotation == CidrRange:
        return 'IPv4 range such as "10.20.0.0/16"'
    if bare is bool:
        return "`true` or `false`"
    if bare in (int, float):
        low = next((each.ge for each in metadata if isinstance(each, Ge)), None)
        high = next((each.le for each in metadata if isinstance(each, Le)), None)
        return f"{'number' if bare is float else 'integer'}{f', {low} to {high}' if high is not None else ''}"
    return _remedy(annotation) if metadata else "text"


def _remedy(annotation: Any) -> str:
    """Return what the validation of a text asks for."""
    try:
        TypeAdapter(annotation).validate_python("\0")
    except ValidationError as error:
        remedy = str(error.errors()[0]["ctx"]["remedy"])
        return re.sub(r"^(give|name|use|write) ", "", remedy)
    raise AssertionError(f"{annotation} accepts everything")


def meaning(model: type[BaseModel], key: str) -> str:
    """Return a key's docstring in the model, or its description.

    Raises:
        KeyError: the key has neither
    """
    name = f"{model.__name__}.{key}"
    return dict(_docstrings()).get(name) or str(DESCRIPTIONS["deployment_file"][name])


def _docstrings() -> Iterator[tuple[str, str]]:
    bodies = [
        ast.parse(Path(str(module.__file__)).read_text()).body for module in (deployment, deployment_sections)
    ]
    for node in [each for body in bodies for each in body if isinstance(each, ast.ClassDef)]:
        for field, text in zip(node.body, node.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
                assert isinstance(field.target, ast.Name) and isinstance(text.value, ast.Constant)  # noqa: S101, PT018 - the form of this one file
                yield f"{node.name}.{field.target.id}", str(text.value.value)


LAX: Mapping[str, Any] = {
    "name": "lax",
    "region": "eu-central-1",
    "production": True,
    "network": {"nat": "single"},
    "app": {"min_instances": 1},
    "database": {"multi_az": False, "deletion_protection": False, "backup_days": 1},
    "vault": {"where": "host"},
    "edge": {"waf": False, "deletion_protection": False},
    "logs": {"retention_days": 1},
}
"""A file that violates every rule of production, so that each error describes its rule."""


def _production() -> str:
    try:
        parse(LAX)
    except DeploymentFileError as error:
        rows = [
            (code(each.key), each.problem, each.remedy.partition(", or set")[0].removeprefix("give "))
            for each in error.invalid_keys
        ]
        return table(("key", "because", "required"), rows)
    raise AssertionError("production rejects nothing")
