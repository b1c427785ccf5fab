"""The pages of controls: each rule with the property that meets it, and what `verify` checks."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from beanvault.verify.checks import AREAS, CONTROLS
from scripts.docs.markdown import ROOT, TEXT, code, page, table
from templates.deployment_file import parse
from templates.layers import layers_of

MOST_CHARACTERS = 60
"""Characters of a value; longer ones are truncated."""
_FILE = tomllib.loads(Path(__file__).with_name("controls.toml").read_text())


@dataclass(frozen=True, slots=True)
class Row:
    """One rule and where it is met; `controls.toml` describes the entries."""

    ids: str
    rule: str
    module: str
    where: str
    path: str
    controls: str
    mode: str = ""


ROWS = tuple(Row(*entries) for entries in _FILE["rows"])


class PropertyNotFound(Exception):
    """A row names a property or control that doesn't exist."""


def reference() -> str:
    """Return the page of the controls of `beanvault verify`."""
    parts = []
    for area, controls in AREAS.items():
        rows = [
            (anchored(each.id), each.title, each.severity.value.lower(), each.remedy) for each in controls
        ]
        parts += [f"## {area}", table(("control", "what", "severity", "remedy"), rows)]
    return page("What `beanvault verify` checks", "`beanvault/verify/`", TEXT["verify"], *parts)


def rules() -> str:
    """Return the page that maps each rule to a module and a property."""
    return page(
        "Controls",
        "`scripts/docs/controls.toml` and the rendered templates",
        TEXT["controls"],
        table(("rule", "what", "module", "resource and property", "value", "checked by"), map(_line, ROWS)),
        "## Not met by a template",
        table(("rule", "what", "why, and what to do"), _FILE["not_met"]),
        TEXT["suppressed"],
    )


def anchored(control: str) -> str:
    return f'<a id="{anchor(control)}"></a>`{control}`'


def anchor(control: str) -> str:
    return control.lower().replace(".", "-")


def _line(row: Row) -> tuple[str, ...]:
    kind, value = resolve(row)
    links = [f"[{each}](reference/controls.md#{anchor(each)})" for each in controls_of(row)]
    needs = f" (with `{row.mode}`)" if row.mode else ""
    return (
        row.ids,
        row.rule + needs,
        f"[{row.module}](../templates/{row.module}.py)",
        f"{kind} {code(row.path)}",
        code(value),
        ", ".join(links),
    )


def controls_of(row: Row) -> list[str]:
    """Return the ids of the controls of `verify` that check a row: those it names, and those of its own ids.

    Raises:
        PropertyNotFound: it names a control that doesn't exist
    """
    known = {control.id for control in CONTROLS}
    if unknown := set(row.controls.split()) - known:
        raise PropertyNotFound(f"{row.rule}: verify has no control {', '.join(sorted(unknown))}")
    return [*(each for each in _ids(row.ids) if each in known), *row.controls.split()]


def _ids(text: str) -> Iterator[str]:
    """Yield each id of Security Hub's in `ELB.21/22, C4.10` or `RDS.20–22`."""  # noqa: RUF002 - as the table has it
    for part in text.split(", "):
        first, *more = part.split("/")
        if shape := re.fullmatch(r"([A-Z]\w+)\.(\d+)(?:–(\d+))?", first):  # noqa: RUF001 - the same
            last = int(shape[3] or shape[2])
            numbers = [*range(int(shape[2]), last + 1), *more]
            yield from (f"{shape[1]}.{number}" for number in numbers)


def resolve(row: Row) -> tuple[str, str]:
    """Return the type of a row's resource, and the values of its property.

    Raises:
        PropertyNotFound: there is no such resource or property
    """
    layer, _, pattern = row.where.partition("/")
    resources = {name: body for name, body in rendered(row.mode)[layer].items() if fnmatchcase(name, pattern)}
    values = {name: list(_values(body["Properties"], row.path)) for name, body in resources.items()}
    texts = list(dict.fromkeys(_text(value) for each in values.values() for value in each))
    if not texts or not all(values.values()):
        missing = [name for name, each in values.items() if not each]
        raise PropertyNotFound(f"{row.rule}: {', '.join(missing) or row.where} has no {row.path}")
    joined = ", ".join(texts)
    kinds = dict.fromkeys(body["Type"].removeprefix("AWS::") for body in resources.values())
    return ", ".join(kinds), joined if len(joined) <= MOST_CHARACTERS else f"{joined[:MOST_CHARACTERS]}…"


@cache
def rendered(mode: str) -> Mapping[str, Mapping[str, Any]]:
    """Return the resources of each layer of the production deployment, changed by *mode*."""
    file = tomllib.loads((ROOT / "config" / "production.toml").read_text())
    if mode:
        key, _, value = mode.partition("=")
        section, _, name = key.partition(".")
        file.setdefault(section, {})[name] = value
    return {layer: template.to_dict()["Resources"] for layer, template in layers_of(parse(file)).items()}


def _values(properties: Any, path: str) -> Iterator[Any]:
    """Yield the values at *path*; several where it goes through a list."""
    if path.startswith("aws:"):
        for option in properties["OptionSettings"]:
            if f"{option['Namespace']} {option['OptionName']}" == path:
                yield option["Value"]
    elif "#" in path:
        name, _, sid = path.partition("#")
        if any(each.get("Sid") == sid for each in properties[name]["Statement"]):
            yield f"statement {sid}"
    elif path.endswith("]"):
        name, _, key = path[:-1].partition("[")
        yield from (each["Value"] for each in properties.get(name, ()) if each["Key"] == key)
    else:
        yield from _down(properties, path.split("."))


def _down(value: Any, parts: list[str]) -> Iterator[Any]:
    if isinstance(value, list) and parts:
        for each in value:
            yield from _down(each, parts)
    elif not parts:
        yield value
    elif isinstance(value, Mapping) and parts[0] in value:
        yield from _down(value[parts[0]], parts[1:])


def _text(value: Any) -> str:
    """Return a value as text; a function of CloudFormation by what it refers to."""
    match value:
        case bool():
            return str(value).lower()
        case {"Fn::ImportValue": name}:
            return f"import {name}"
        case {"Ref": name}:
            return f"ref {name}"
        case {"Fn::GetAtt": [name, attribute]}:
            return f"{name}.{attribute}"
        case {"Fn::Split": [_, inner]}:
            return _text(inner)
        case {"Fn::Select": [index, _]}:
            return f"zone {int(index) + 1}"
        case list():
            return ", ".join(map(_text, value))
        case dict():
            return json.dumps(value)
        case _:
            return str(value)
