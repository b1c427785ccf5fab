"""Story of beanvault/__main__.py, beanvault/cli.py and beanvault/artifacts/project.py.

Running the command in any folder: `__main__.py`, `cli.py` (--project) and `artifacts/project.py`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import uv

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = str(Path(sys.executable).with_name("beanvault"))
CONFIG = 'name = "unit"\nregion = "eu-central-1"\n[vault]\nwhere = "host"\n'


def run(folder: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(
        command,
        cwd=folder,
        env=inherited | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("entry", [[SCRIPT], [sys.executable, "-m", "beanvault"]], ids=["script", "module"])
@pytest.mark.parametrize(
    "name", ["templates.py", "replicator.py", "click.py", "eb_app/__init__.py", "eb_app/x"]
)
def test_nothing_in_the_current_folder_hides_a_module(name: str, entry: list[str], tmp_path: Path) -> None:
    """`python -m` puts the current folder first among the places to import from."""
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("raise SystemExit('imported from the current folder')\n")
    (tmp_path / "beanvault.toml").write_text(CONFIG)
    for arguments in (["render", "keys"], ["bundle", "--output", "bundle.zip"]):
        done = run(tmp_path, *entry, *arguments)
        assert done.returncode == 0, done.stderr


def test_a_listener_imports_no_template_library() -> None:
    """It runs beside Vault for months, and needs only the deployment file."""
    program = (
        "import sys; from pathlib import Path; import beanvault.commands.listen;"
        "from beanvault.command_context import CommandContext;"
        f"CommandContext(Path({str(ROOT / 'config' / 'dev.toml')!r}), Path()).deployment.bus_name;"
        "print(*sorted({'troposphere', 'awacs', 'cfn_flip'} & set(sys.modules)))"
    )
    done = run(ROOT, sys.executable, "-c", program)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr


def test_the_bundle_is_the_same_from_any_folder(tmp_path: Path) -> None:
    for folder, options in ((tmp_path, ()), (ROOT, ()), (tmp_path, ("--project", str(ROOT)))):
        output = tmp_path / f"{len(list(tmp_path.iterdir()))}.zip"
        done = run(folder, SCRIPT, *options, "bundle", "--output", str(output))
        assert done.returncode == 0, done.stderr
    first, *others = [path.read_bytes() for path in tmp_path.glob("*.zip")]
    assert others == [first, first]


@pytest.mark.parametrize("command", ["bundle", "package"])
def test_a_folder_that_is_not_a_clone_is_refused_with_the_option_that_names_one(
    command: str, tmp_path: Path
) -> None:
    for options, environment in (
        (("--project", str(tmp_path)), {}),
        ((), {"BEANVAULT_PROJECT": str(tmp_path)}),
    ):
        done = run(ROOT, SCRIPT, *options, command, **environment)
        assert done.returncode == 2, done.stderr
        assert f"{tmp_path} is not a clone of the project: it lacks" in done.stderr
        assert "--project" in done.stderr.splitlines()[-1]


def test_a_function_is_packaged_in_any_folder_whatever_uv_finds_there(tmp_path: Path) -> None:
    """Settings of another project: uv would take the package index from them."""
    (tmp_path / "uv.toml").write_text('index-url = "https://127.0.0.1:9/simple"\n')
    outputs = []
    for folder in (tmp_path, ROOT):
        output = tmp_path / folder.name
        done = run(folder, SCRIPT, "package", "bootstrap", "--output", str(output))
        assert done.returncode == 0, done.stderr
        outputs.append([path.read_bytes() for path in output.glob("*.zip")])
    assert outputs[0] == outputs[1] != []


def test_an_installation_that_would_not_work_is_refused(tmp_path: Path) -> None:
    """A wheel would lack the files to package, and add top-level packages such as `templates`."""
    command = [uv.find_uv_bin(), "pip", "install", "--no-deps", "--no-build-isolation", "--python"]
    done = run(tmp_path, *command, sys.executable, "--target", str(tmp_path / "target"), str(ROOT))
    assert done.returncode != 0
    assert "beanvault is used from a clone of the project" in done.stderr
    assert not [*tmp_path.rglob("templates")]


def test_a_project_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    done = run(tmp_path, SCRIPT, "--project", "nowhere", "bundle")
    assert (done.returncode, "'nowhere' does not exist" in done.stderr) == (2, True), done.stderr
