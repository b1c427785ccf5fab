"""A real browser: headless Chromium, controlled with WebDriver (https://www.w3.org/TR/webdriver2/).

WebDriver is JSON over HTTP, and a dozen of its commands are enough here: a client library would add more
packages than it saves lines.
"""

from __future__ import annotations

import base64
import contextlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from testbed.servers.process import Process, ServerError, require_tool

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
"""The key of element references in WebDriver's answers."""
OPTIONS = (
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
TIMEOUT = 60


@dataclass(frozen=True, slots=True)
class Control:
    """An interactive element of the page: a field, a button, a link."""

    browser: Browser
    reference: str

    def click(self) -> None:
        """Click, and wait for the next page."""
        self.browser.follow(lambda: self._do("click"))

    def type(self, text: str) -> None:
        self._do("value", text=text)

    def enter(self, text: str) -> None:
        """Type *text* and the Enter key, and wait for the next page."""
        self.browser.follow(lambda: self._do("value", text=f"{text}\ue007"))

    def _do(self, command: str, **arguments: str) -> None:
        self.browser.command("POST", f"element/{self.reference}/{command}", arguments)


@dataclass(frozen=True, slots=True)
class Browser:
    """One window with a new, empty profile."""

    session: requests.Session
    address: str

    def command(self, method: str, path: str, arguments: Mapping[str, Any] | None = None) -> Any:
        """Send one WebDriver command and return its answer.

        Raises:
            BrowserError: the browser rejected it
        """
        address = f"{self.address}/{path}".rstrip("/")
        answer = self.session.request(method, address, json=arguments, timeout=TIMEOUT)
        value = answer.json()["value"]
        if not answer.ok:
            raise BrowserError(f"{method} {path}: {value['error']}: {value['message']}")
        return value

    def devtools(self, command: str, **arguments: Any) -> Any:
        """Send a command of Chromium's DevTools protocol (https://chromedevtools.github.io/devtools-protocol/)."""
        return self.command("POST", "goog/cdp/execute", {"cmd": command, "params": arguments})

    def open(self, url: str) -> None:
        self.command("POST", "url", {"url": url})

    def follow(self, leave: Callable[[], object]) -> None:
        """Call *leave*, which navigates to another page, and return when that page is loaded.

        WebDriver answers a click before the browser has left the page, and returns the old page for a moment.
        """
        previous = self._find("html")[0]
        leave()
        deadline = time.monotonic() + TIMEOUT
        while not self._loaded_after(previous):
            if time.monotonic() > deadline:
                raise BrowserError(f"no other page was loaded within {TIMEOUT} s")
            time.sleep(0.02)

    def _loaded_after(self, previous: str) -> bool:
        """Whether another document than that of the element *previous* is completely loaded."""
        try:
            current = self._find("html")
            return (
                bool(current)
                and current[0] != previous
                and self.run("return document.readyState") == "complete"
            )
        except BrowserError:  # between two documents
            return False

    @property
    def title(self) -> str:
        return str(self.command("GET", "title"))

    def text(self, selector: str = "body") -> str:
        """Return the visible text of the first element that matches."""
        return str(self.command("GET", f"element/{self._find(selector)[0]}/text"))

    def control(self, role: str, name: str) -> Control:
        """Return the first control with this role and accessible name, as a screen reader announces it.

        Raises:
            BrowserError: the page has none
        """
        found = self.controls(role, name)
        if not found:
            raise BrowserError(f"the page has no {role} called {name!r}")
        return found[0]

    def controls(self, role: str, name: str) -> list[Control]:
        """Return all controls with this role whose accessible name matches the expression *name*."""
        return [
            Control(self, reference)
            for reference in self._find("a, button, input:not([type=hidden])")
            if self.command("GET", f"element/{reference}/computedrole") == role
            and re.fullmatch(name, self.command("GET", f"element/{reference}/computedlabel"))
        ]

    def run(self, script: str, *arguments: object) -> Any:
        """Run JavaScript in the page, exempt from its content security policy; promises are awaited."""
        return self.command("POST", "execute/sync", {"script": script, "args": arguments})

    def console(self) -> list[str]:
        """Return the console's messages since the last call: errors, failed requests, violated policies."""
        return [line["message"] for line in self.command("POST", "se/log", {"type": "browser"})]

    def resize(self, width: int, *, scheme: str = "light") -> None:
        """Make the window *width* CSS pixels wide, on a device that prefers a light or a dark scheme."""
        self.devtools(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=width < 500,
        )
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.devtools("Emulation.setEmulatedMedia", features=[feature])

    def disable_scripts(self) -> None:
        self.devtools("Emulation.setScriptExecutionDisabled", value=True)

    def save_screenshot(self, file: Path) -> None:
        """Write an image of the whole page, PNG."""
        file.parent.mkdir(parents=True, exist_ok=True)
        image = self.devtools("Page.captureScreenshot", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(image["data"]))

    def _find(self, selector: str) -> list[str]:
        found = self.command("POST", "elements", {"using": "css selector", "value": selector})
        return [each[ELEMENT] for each in found]


class BrowserError(Exception):
    """The browser could not execute a command; the message is WebDriver's."""


@contextlib.contextmanager
def started(trusted: Path) -> Iterator[Browser]:
    """Start Chromium with an empty profile.

    It trusts the public key of the certificate *trusted* (PEM) for any name; others need a trusted authority.
    """
    home = Path(tempfile.mkdtemp(prefix="browser-"))  # short: Chromium creates a socket in it
    driver = Process.start(
        "ChromeDriver",
        [require_tool("chromedriver"), "--port=0"],
        home / "driver.log",
        {"PATH": os.environ["PATH"], "HOME": str(home), "TMPDIR": str(home), "LANG": "C.UTF-8"},
    )
    try:
        driver.wait_until(lambda: _port(driver.log) is not None)
        with requests.Session() as session:
            session.trust_env = False
            address = f"http://127.0.0.1:{_port(driver.log)}/session"
            answer = session.post(address, json=_capabilities(home, trusted), timeout=TIMEOUT).json()["value"]
            if "sessionId" not in answer:
                raise BrowserError(f"Chromium didn't start: {answer['message']}")
            browser = Browser(session, f"{address}/{answer['sessionId']}")
            try:
                yield browser
            finally:
                browser.command("DELETE", "")
    finally:
        driver.stop()
        shutil.rmtree(home, ignore_errors=True)


def _capabilities(home: Path, trusted: Path) -> dict[str, Any]:
    names = ("chromium", "chromium-browser", "google-chrome")
    binary = next((found for name in names if (found := shutil.which(name))), None)
    if binary is None:
        raise ServerError("Chromium is not installed; ./scripts/setup --tests installs it")
    options = [
        *OPTIONS,
        f"--user-data-dir={home / 'profile'}",
        f"--ignore-certificate-errors-spki-list={_key_digest(trusted)}",
    ]
    if os.getuid() == 0:
        options.append("--no-sandbox")  # Chromium's sandbox doesn't work for root
    return {
        "capabilities": {
            "alwaysMatch": {
                "goog:chromeOptions": {"binary": binary, "args": options},
                "goog:loggingPrefs": {"browser": "ALL"},
            }
        }
    }


def _key_digest(certificate: Path) -> str:
    """Return the SHA-256 of a certificate's public key, in the encoding of Chromium's option."""
    key = x509.load_pem_x509_certificate(certificate.read_bytes()).public_key()
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    digest = hashes.Hash(hashes.SHA256())
    digest.update(der)
    return base64.b64encode(digest.finalize()).decode()


def _port(log: Path) -> int | None:
    found = re.search(r"started successfully on port (\d+)", log.read_text(errors="replace"))
    return int(found[1]) if found else None
