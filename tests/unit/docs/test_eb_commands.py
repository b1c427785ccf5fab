"""Story of beanvault/deployment/eb_commands.py, README.md, docs/ and .elasticbeanstalk/.

The EB CLI's command lines, printed and in documents, are whole; and no version of a platform stands anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from beanvault.deployment import eb_commands
from templates.aws_versions import PLATFORM
from templates.deployment_file import read
from tests.project import ROOT
from tests.unit.docs.markdown_files import FILES, blocks

PRODUCT = ("beanvault", "templates", "replicator", "bootstrap", "eb_app", "config")
PRINTED = sorted(
    file
    for folder in PRODUCT
    for file in (ROOT / folder).rglob("*")
    if file.suffix in {".py", ".toml", ".html", ".j2", ".sh"} and "__pycache__" not in file.parts
)
# `eb deploy` in backticks alone is the command's name in a sentence.
CALL = re.compile(r"(?<![\w`./-])eb (init|deploy)\b[^\n`|;]*|(?<=`)eb (?:init|deploy) [^`\n]+")
VERSION = re.compile(
    r"64bit Amazon Linux \d+ v\d[\d.]*\b|running on 64bit Amazon Linux \d+/\d[\d.]*|Amazon Linux 2023 v\d"
)


def calls(text: str) -> Iterator[str]:
    for found in CALL.finditer(text.replace("\\\n", " ")):
        yield from (part.strip() for part in found[0].split("&&") if part.strip().startswith("eb "))


def problem(call: str) -> str:
    """Return what the EB CLI would ask for or do wrong; nothing when the call is whole."""
    if call.startswith("eb init") and not ("--platform " in call and "--region " in call):
        return "opens menus for the platform and the region"
    if call.startswith("eb deploy") and f"--timeout {eb_commands.TIMEOUT_MINUTES}" not in call:
        return "gives up after ten minutes"
    if re.fullmatch(r"eb (init|deploy)( -.*)?", call):
        return "names no application or environment"
    return ""


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_each_call_in_a_document_is_whole(file: Path) -> None:
    text = file.read_text()
    found = [*calls(text), *(call for block in blocks(text, "bash") for call in calls(block))]
    assert [(call, why) for call in found if (why := problem(call))] == []


def test_the_documents_have_such_calls() -> None:
    """A negative control: the expression above finds them."""
    found = [call for file in FILES for call in calls(file.read_text())]
    assert len([call for call in found if call.startswith("eb init")]) >= 3
    assert len([call for call in found if call.startswith("eb deploy")]) >= 5
    for incomplete in (
        "eb init shop",
        "eb deploy shop-app",
        "eb deploy --timeout 40",
        "beanvault bundle && eb deploy",
    ):
        assert [problem(call) for call in calls(incomplete)] not in ([], [""]), incomplete


@pytest.mark.parametrize("name", ["dev", "production"])
def test_the_printed_calls_are_whole_and_name_the_deployment(name: str) -> None:
    deployment = read(ROOT / "config" / f"{name}.toml")
    init, deploy = eb_commands.init(deployment), eb_commands.deploy(deployment)
    assert (problem(init), problem(deploy)) == ("", "")
    assert init.startswith(f"eb init {deployment.application_name} ")
    assert deploy.startswith(f"eb deploy {deployment.environment_name} ")
    assert (deployment.platform_branch in init, deployment.region in init) == (True, True)


def test_each_call_that_the_product_prints_is_whole() -> None:
    found = {
        (str(file.relative_to(ROOT)), call)
        for file in PRINTED
        if file.name != "eb_commands.py"
        for line in file.read_text().splitlines()
        if not line.lstrip().startswith(("#", '"""'))
        for call in calls(line.replace("\\n", "\n"))
    }
    assert {(file, call) for file, call in found if problem(call.rstrip('")'))} == set()
    assert {file for file, _ in found} >= {"beanvault/commands/bundle.py"}


def test_no_version_of_a_platform_stands_in_product_or_documents() -> None:
    """AWS offers a superseded version to nobody who didn't use it in the last 30 days."""
    files = [
        *FILES,
        *PRINTED,
        *(ROOT / ".elasticbeanstalk").glob("*.yml"),
        *(ROOT / "scripts").rglob("*.toml"),
    ]
    found = {
        (str(file.relative_to(ROOT)), match)
        for file in files
        if file.name != "CHANGELOG.md"
        for match in VERSION.findall(file.read_text())
    }
    assert found == set()
    assert VERSION.search("64bit Amazon Linux 2023 v4.9.2 running Python 3.14")
    assert VERSION.search("platform/Python 3.14 running on 64bit Amazon Linux 2023/4.9.2")
    assert not VERSION.search(PLATFORM.in_use)


def test_the_documents_name_the_branch_in_use() -> None:
    named = {
        branch
        for file in FILES
        if file.name != "CHANGELOG.md"
        for branch in re.findall(r"Python 3\.\d+ running on 64bit Amazon Linux \d+", file.read_text())
    }
    assert named == {PLATFORM.in_use}
    assert f"default_platform: {PLATFORM.in_use}\n" in (ROOT / ".elasticbeanstalk/config.yml").read_text()
