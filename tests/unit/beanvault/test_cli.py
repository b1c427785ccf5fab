"""The command line's surface: help, wrong input, exit codes. No network, no process."""

from __future__ import annotations

import io
import socket
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from botocore.exceptions import ClientError
from rich.console import Console

from beanvault import cli
from beanvault.aws import explained
from beanvault.errors import Denied, ExitCode, Unreachable
from beanvault.terminal import consoles


def subcommands() -> Iterator[tuple[str, ...]]:
    for name in cli.COMMANDS:
        command = cli.cli.get_command(click.Context(cli.cli), name)
        if isinstance(command, click.Group):
            for below in command.commands:
                yield name, below
        else:
            yield (name,)


@pytest.mark.parametrize("command", list(subcommands()), ids=" ".join)
def test_every_command_has_help_with_an_example(
    command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run([*command, "--help"]) == ExitCode.OK
    printed = capsys.readouterr().out
    assert "Example" in printed
    assert f"beanvault {' '.join(command)}" in printed


def test_the_help_lists_every_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--help"]) == ExitCode.OK
    printed = capsys.readouterr().out
    for code in ExitCode:
        assert f"{code.value:>3}  " in printed


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        (["deplyo"], "Did you mean 'deploy'?"),
        (["deploy", "--nonsense"], "No such option"),
        (["package", "other"], "'other'"),
        (["verify", "RDS.99"], "no control RDS.99"),
        (["verify", "--html", "/nowhere/report.html"], "/nowhere/report.html is not writable"),
        (["rotate", "--discard"], "--discard belongs to --strategy dual"),
        (["rotate", "--role", "x"], "needs the --role options"),
        (["render", "walls"], "there is no layer walls"),
        (["listen", "--host", "vault.example.com"], "would travel unencrypted"),
    ],
)
def test_wrong_input_is_named_and_ends_with_2(
    arguments: list[str], printed: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "beanvault.toml"
    config.write_text('name = "unit"\nregion = "eu-central-1"\n[vault]\nwhere = "host"\n')
    assert cli.run(["--config", str(config), *arguments]) == ExitCode.USAGE
    assert printed in capsys.readouterr().err


def test_all_mistakes_of_a_deployment_file_are_named_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "beanvault.toml"
    config.write_text('name = "A"\nregion = "nowhere"\n[vault]\nwhere = "moon"\n')
    assert cli.run(["--config", str(config), "render"]) == ExitCode.USAGE
    printed = capsys.readouterr().err
    for key in ("name", "region", "vault.where"):
        assert key in printed


READS_THE_FILE = [each for each in subcommands() if each[0] not in ("init", "bundle", "package")]


@pytest.mark.parametrize("command", READS_THE_FILE, ids=" ".join)
def test_every_command_names_all_mistakes_of_the_file_and_tries_nothing(
    command: tuple[str, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("VAULT_TOKEN", "AWS_ENDPOINT_URL", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    config, connection = tmp_path / "beanvault.toml", tmp_path / "connection.json"
    config.write_text('name = "A"\nregion = "nowhere"\n[vault]\nwhere = "moon"\n')
    connection.write_text("{}")
    arguments = {
        "connect": [str(connection)],
        "rotate": ["--vault-token-file", str(connection), "--vault-address", "https://127.0.0.1:9"],
        "vault": ["--vault-address", "https://127.0.0.1:9"],
    }
    code = cli.run(["--config", str(config), *command, *arguments.get(command[0], [])])
    printed = capsys.readouterr().err
    assert code == ExitCode.USAGE, printed
    assert "Traceback" not in printed
    for key in ("name", "region", "vault.where"):
        assert key in printed


@pytest.mark.parametrize("command", list(subcommands()), ids=" ".join)
def test_every_command_refuses_an_option_it_does_not_have(
    command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run([*command, "--nonsense"]) == ExitCode.USAGE
    printed = capsys.readouterr().err
    assert "--nonsense" in printed
    assert f"beanvault {' '.join(command)} --help" in printed


@pytest.fixture
def config(tmp_path: Path) -> Path:
    made = tmp_path / "beanvault.toml"
    made.write_text('name = "unit"\nregion = "eu-central-1"\n[vault]\nwhere = "host"\n')
    return made


def test_what_cannot_be_written_is_named(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file stands where the folder should be."""
    output = config / "templates"
    assert cli.run(["--config", str(config), "render", "--output", str(output)]) == ExitCode.FAILED
    printed = capsys.readouterr().err
    assert f"error: {config}" in printed
    assert "can read and write it" in printed


def test_a_binary_file_is_named(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    binary = config.with_name("binary")
    binary.write_bytes(b"\xff\xfe\xfd")
    vault = ["--vault-address", "https://127.0.0.1:9"]
    for arguments in (["connect", str(binary)], ["rotate", *vault, "--vault-token-file", str(binary)]):
        assert cli.run(["--config", str(config), *arguments]) == ExitCode.USAGE
        assert f"{binary} isn't text in UTF-8" in capsys.readouterr().err


def test_a_port_that_is_taken_is_named(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code = cli.run(["--config", str(config), "listen", "--port", str(port)])
    assert code == ExitCode.FAILED
    told = capsys.readouterr().err
    assert f"could not listen on 127.0.0.1:{port}" in told
    assert "--port" in told


def test_an_invalid_number_of_attempts_is_named(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "many")
    assert cli.run(["--config", str(config), "status"]) == ExitCode.USAGE
    assert "AWS_MAX_ATTEMPTS is 'many'" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--debug", "render"], ["render", "--debug"]], ids=" ".join)
def test_debug_shows_the_trace_before_and_after_the_subcommand(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["--config", str(tmp_path / "none.toml"), *arguments]) == ExitCode.USAGE
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("no_color", [False, True])
def test_what_goes_into_a_file_has_no_colours(
    no_color: bool, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if no_color:
        monkeypatch.setenv("NO_COLOR", "1")
    cli.run(["--config", str(tmp_path / "none.toml"), "render"])
    printed = capsys.readouterr()
    assert "error:" in printed.err
    assert "\x1b" not in printed.out + printed.err


def test_a_terminal_without_colours_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    for no_color, coloured in (("", True), ("1", False)):
        monkeypatch.setenv("NO_COLOR", no_color)
        screen = io.StringIO()
        out, _ = consoles()
        shown = Console(file=screen, force_terminal=True, no_color=out.no_color)
        shown.print("good", style="red")
        assert ("\x1b[31m" in screen.getvalue()) is coloured


def test_a_bundle_without_a_deployment_file_says_whose_authorities_it_trusts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, written = tmp_path / "shop.toml", ["bundle", "--output", str(tmp_path / "bundle.zip")]
    assert cli.run(["--config", str(config), *written]) == ExitCode.OK
    assert f"No deployment file ({config}): " in capsys.readouterr().err
    config.write_text('name = "shop"\nregion = "eu-central-1"\n[vault]\nwhere = "host"\n')
    assert cli.run(["--config", str(config), *written]) == ExitCode.OK
    assert "No deployment file" not in capsys.readouterr().err


def test_a_missing_file_points_to_init(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "none.toml"
    assert cli.run(["--config", str(config), "render"]) == ExitCode.USAGE
    assert f"`beanvault --config {config} init`" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("AccessDenied", Denied),
        ("ExpiredToken", Denied),
        ("InvalidSignatureException", Denied),
        ("InvalidClientTokenId", Denied),
        ("Throttling", Unreachable),
    ],
)
def test_refusals_of_aws_are_distinguished_by_their_code(code: str, kind: type[Exception]) -> None:
    error = explained(ClientError({"Error": {"Code": code, "Message": "no"}}, "DescribeStacks"))
    assert isinstance(error, kind)
    assert "DescribeStacks" in str(error)
    assert error.remedy


def test_a_shell_completes_commands_and_options(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the shell asks for it, after the line that the help shows."""
    monkeypatch.setenv("_BEANVAULT_COMPLETE", "bash_complete")
    for words, expected in (
        ("beanvault de", "plain,deploy"),
        ("beanvault deploy --plan", "plain,--plan-only"),
        ("beanvault deploy repl", "plain,replicator"),
        ("beanvault render net", "plain,network"),
    ):
        monkeypatch.setenv("COMP_WORDS", words)
        monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
        with pytest.raises(SystemExit) as ended:
            cli.run([])
        assert ended.value.code == 0
        assert expected in capsys.readouterr().out
