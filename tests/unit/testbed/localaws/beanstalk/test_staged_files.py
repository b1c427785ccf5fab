"""Story of testbed/localaws/beanstalk/bundle.py and testbed/localaws/beanstalk/proxy.py.

What an instance reads from a bundle, and how its files are moved below the instance's own directory.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from testbed.localaws.beanstalk.bundle import (
    PROPERTIES,
    BundleRejected,
    extensions,
    procfile,
    sample_application,
    unpack,
)
from testbed.localaws.beanstalk.proxy import app_port, instance_paths, nginx_file, write_configuration
from testbed.localaws.beanstalk.state import DEFAULTS

ROOT = Path("/tmp/i-1")


def zipped(**files: str) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return made.getvalue()


@pytest.mark.parametrize(
    ("text", "moved"),
    [
        ("mkdir -p /etc/pki/tls/private", "mkdir -p /tmp/i-1/etc/pki/tls/private"),
        ("exec >>/var/log/hook.log", "exec >>/tmp/i-1/var/log/hook.log"),
        ("-out=/etc/nginx", "-out=/tmp/i-1/etc/nginx"),
        ("cd /var/app/current && ls", "cd /tmp/i-1/var/app/current && ls"),
        ("/opt/elasticbeanstalk/bin/get-config", "/tmp/i-1/opt/elasticbeanstalk/bin/get-config"),
    ],
)
def test_paths_of_the_platform_move_below_the_instance(text: str, moved: str) -> None:
    assert instance_paths(text, ROOT) == moved
    assert instance_paths(moved, ROOT) == moved


@pytest.mark.parametrize(
    "text",
    [
        "/usr/bin/env bash",
        "$ROOT/etc/pki/x",
        "${ROOT}/var/log",
        "/running/on",
        "/etc/pkill",
        "https://h/var/log/x",
    ],
)
def test_other_paths_are_kept(text: str) -> None:
    assert instance_paths(text, ROOT) == text


def test_the_apps_port_is_replaced_only_where_it_is_a_port() -> None:
    assert app_port("--bind 127.0.0.1:8000 --timeout 8000", 1) == "--bind 127.0.0.1:1 --timeout 8000"
    assert app_port("uvicorn --port 8000 x", 1) == "uvicorn --port 1 x"
    assert app_port("listen :80001;", 1) == "listen :80001;"


def test_nginx_listens_on_the_instances_loopback_ports() -> None:
    text = "server {\n    listen 443 ssl http2;\n    listen [::]:443 ssl;\n    listen 0.0.0.0:80;\n}\n"
    made = nginx_file(text, ROOT, 9, {443: 1443, 80: 1080}.__getitem__)
    assert made.split("\n")[1:-2] == [
        "    listen 127.0.0.1:1443 ssl http2;",
        "",
        "    listen 127.0.0.1:1080;",
    ]


def test_the_bundles_nginx_files_override_the_platforms(tmp_path: Path) -> None:
    staged = tmp_path / "staged/conf.d/elasticbeanstalk"
    staged.mkdir(parents=True)
    (staged / "00_application.conf").write_text("location / { proxy_pass http://127.0.0.1:8000; }")
    main = write_configuration(tmp_path / "staged", tmp_path / "root", 18000, lambda port: 10000 + port)
    location = main.parent / "conf.d/elasticbeanstalk/00_application.conf"
    assert location.read_text() == "location / { proxy_pass http://127.0.0.1:18000; }"
    assert "listen 127.0.0.1:10080 default_server;" in main.read_text()
    assert f"access_log {tmp_path}/root/var/log/nginx/access.log main;" in main.read_text()


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "a/../../outside"])
def test_a_bundle_that_leads_outside_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BundleRejected, match="unsafe path"):
        unpack(zipped(**{name: "x"}), tmp_path / "staging")
    assert not (tmp_path / "outside").exists()


def test_a_symbolic_link_in_a_bundle_is_refused(tmp_path: Path) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(BundleRejected, match="unsafe path"):
        unpack(made.getvalue(), tmp_path / "staging")


def test_a_bundle_that_is_not_a_zip_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleRejected, match="not a zip file"):
        unpack(b"nonsense", tmp_path / "staging")


def config(tmp_path: Path, text: str) -> Path:
    (tmp_path / ".ebextensions").mkdir()
    (tmp_path / ".ebextensions/01.config").write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    "text",
    [
        "option_settings:\n  - {option_name: A, value: 1}\n  - {namespace: x, option_name: B, value: true}\n",
        f"option_settings:\n  {PROPERTIES}: {{A: 1}}\n  x: {{B: true}}\n",
    ],
)
def test_both_forms_of_option_settings_are_read(tmp_path: Path, text: str) -> None:
    assert extensions(config(tmp_path, text))[0].options == {(PROPERTIES, "A"): "1", ("x", "B"): "true"}


def test_resources_with_cloudformations_tags_are_ignored(tmp_path: Path) -> None:
    found = extensions(config(tmp_path, "Resources:\n  T: !Ref X\ncommands:\n  c: {command: ls}\n"))
    assert found[0].commands == {"c": {"command": "ls"}}


def test_an_unreadable_configuration_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleRejected, match=r"01\.config is invalid"):
        extensions(config(tmp_path, "commands: [\n"))


def test_a_procfile_must_name_a_web_process(tmp_path: Path) -> None:
    (tmp_path / "Procfile").write_text("worker: run\n")
    with pytest.raises(BundleRejected, match="no web process"):
        procfile(tmp_path, DEFAULTS)
    (tmp_path / "Procfile").write_text("web: gunicorn a:b\nworker: run  \n")
    assert procfile(tmp_path, DEFAULTS) == {"web": "gunicorn a:b", "worker": "run"}


def test_without_a_procfile_the_platform_starts_gunicorn(tmp_path: Path) -> None:
    assert procfile(tmp_path, DEFAULTS)["web"].endswith("--workers=1 --threads=15 application:application")


def test_the_sample_application_has_a_web_process(tmp_path: Path) -> None:
    unpack(sample_application(), tmp_path / "staging")
    assert procfile(tmp_path / "staging", DEFAULTS) == {"web": "python application.py"}
