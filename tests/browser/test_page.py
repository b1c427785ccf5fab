"""Story of eb_app/web.py and eb_app/templates/.

The app's page in a browser: on desktop and phone, with and without JavaScript, during a rotation.
"""

from __future__ import annotations

import re
import threading
from pathlib import Path
from urllib.parse import quote

import pytest

from eb_app.entries import MAX_TEXT_LENGTH
from testbed.demo.flow import Flow
from testbed.servers.authority import Authority
from tests.polling import until
from tests.project import ROOT

from .barriers import violations
from .chromium import Browser, started

SCREENSHOTS = ROOT / "build" / "screenshots"
PHONE = 390
DESKTOP = 1280


def add(browser: Browser, text: str) -> None:
    browser.control("textbox", f"Text, at most {MAX_TEXT_LENGTH} characters").type(text)
    browser.control("button", "Add").click()


def entries(browser: Browser) -> list[str]:
    """Return the texts on the page, the newest first."""
    found: list[str] = browser.run(
        "return [...document.querySelectorAll('.entries p')].map(each => each.innerText)"
    )
    return found


def delete_newest(browser: Browser) -> None:
    browser.control("button", r"Delete entry \d+").click()


def database_user(browser: Browser) -> str:
    """Return the database user with which the app rendered this page."""
    found = re.search(r"Database user\s+(\w+), version", browser.text("main"))
    assert found, browser.text()
    return found[1]


def shows_rotation(browser: Browser, url: str, before: str) -> bool:
    """Whether the process that renders the next page has replaced the user *before*."""
    browser.open(url)
    return re.search(rf"Last rotation\s.*from {before}", browser.text("main")) is not None


def test_entries_are_added_and_deleted_while_the_credential_rotates(browser: Browser, flow: Flow) -> None:
    """From Vault to the app everything is real; the visitor notices nothing but the new user."""
    before = database_user(browser)
    rotation = threading.Thread(target=flow.rotate)
    rotation.start()
    written = 0
    while rotation.is_alive() or database_user(browser) == before or written < 5:
        written += 1
        assert written < 200, "the app doesn't use the new credential"
        add(browser, f"entry {written}")
        assert entries(browser) == [f"entry {written}", "kept"] if written > 1 else [f"entry {written}"]
        if written == 1:
            delete_newest(browser)
            assert entries(browser) == []
            add(browser, "kept")
            continue
        delete_newest(browser)
        assert entries(browser) == ["kept"]
    rotation.join()
    assert {before, database_user(browser)} == {"app_blue", "app_green"}
    # One of gunicorn's two processes may not have served a request before, and shows no rotation.
    until(lambda: shows_rotation(browser, flow.site.url, before))
    add(browser, "Rotated on Thursday at 14:00, nothing to report")
    add(browser, "Grüße nach Köln und תל אביב")
    browser.save_screenshot(SCREENSHOTS / "desktop.png")
    browser.resize(PHONE)
    browser.save_screenshot(SCREENSHOTS / "phone.png")
    browser.resize(PHONE, scheme="dark")
    browser.save_screenshot(SCREENSHOTS / "phone-dark.png")
    assert browser.console() == []


def test_the_page_shows_how_it_was_delivered(browser: Browser) -> None:
    """TLS on all three hops, and the instance."""
    text = browser.text("main")
    for hop in ("Browser to load balancer", "Load balancer to instance", "Instance to database"):
        assert re.search(rf"{hop}\s+TLSv1\.[23], \w+", text), text
    assert re.search(r"Instance\s+i-[0-9a-f]+ in eu-central-1", text)
    assert browser.run("return performance.getEntriesByType('navigation')[0].nextHopProtocol") != ""


def test_everything_works_without_javascript(browser: Browser, flow: Flow) -> None:
    """By keyboard, too. A separate page proves that scripts are really disabled."""
    browser.disable_scripts()
    browser.open("data:text/html,<title>off</title><script>document.title = 'on'</script>")
    assert browser.title == "off"
    browser.open(flow.site.url)
    browser.control("textbox", "Text, .*").enter("typed, then Enter")
    assert "typed, then Enter" in browser.text(".entries")
    delete_newest(browser)
    assert "None yet." in browser.text("main")
    assert browser.console() == []


def test_scripts_are_on_otherwise(browser: Browser) -> None:
    """The negative control of the test above."""
    browser.open("data:text/html,<title>off</title><script>document.title = 'on'</script>")
    assert browser.title == "on"


def test_what_looks_like_html_is_text(browser: Browser) -> None:
    """Nothing is run or loaded, and the entry shows the text as written."""
    text = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    add(browser, text)
    assert entries(browser) == [text]
    assert browser.title == "Entries \u2013 beanvault"
    assert browser.console() == []


def test_a_script_injected_into_the_page_does_not_run(browser: Browser) -> None:
    """The policy blocks it and the console reports that, so an empty console is evidence elsewhere."""
    browser.run(
        "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"document.title=1\">');"
        "const script = document.createElement('script');"
        "script.textContent = \"document.title = 'owned'\"; document.body.append(script);"
        "document.body.insertAdjacentHTML('beforeend', '<p style=\"color: red\">');"
    )
    assert browser.title == "Entries \u2013 beanvault"
    messages = " ".join(browser.console())
    for directive in ("script-src", "style-src"):
        assert directive in messages


def test_a_form_on_another_site_writes_nothing(browser: Browser, flow: Flow) -> None:
    """The browser's request headers show that it came from another site."""
    foreign = (
        f'<form method=post action="{flow.site.url}/entries"><input name=text value=forged>'
        "<input name=request_key value=6ba7b810-9dad-11d1-80b4-00c04fd430c8><button>Win</button></form>"
    )
    browser.open(f"data:text/html,{quote(foreign)}")
    browser.control("button", "Win").click()
    assert "another site" in browser.text("main")
    browser.open(flow.site.url)
    assert entries(browser) == []


def test_an_invalid_entry_is_explained_and_its_text_is_kept(browser: Browser) -> None:
    """The server explains beside the field what the browser doesn't reject itself."""
    browser.run("document.querySelector('#text').required = false")
    add(browser, "   ")
    assert browser.title.startswith("Error: ")
    assert "Write something first." in browser.text("#problem")
    assert browser.run("return document.activeElement.id") == "text"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [DESKTOP, PHONE])
def test_axe_finds_no_barrier(browser: Browser, flow: Flow, axe: str, width: int, scheme: str) -> None:
    """Contrast, labels, landmarks, headings: with entries, without, after an error, and on a missing page."""
    browser.resize(width, scheme=scheme)
    assert violations(browser, axe) == {}
    add(browser, "an entry")
    assert violations(browser, axe) == {}
    browser.run("document.querySelector('#text').required = false")
    add(browser, " ")
    assert violations(browser, axe) == {}
    browser.open(f"{flow.site.url}/nowhere")
    assert violations(browser, axe) == {}


def test_axe_would_find_barriers(browser: Browser, axe: str) -> None:
    """The negative control of the test above: pale text and a field without a label are found."""
    browser.run(
        "document.querySelector('label').remove();document.querySelector('h2').style.color = '#bbbbbb';"
    )
    assert {"color-contrast", "label"} <= violations(browser, axe).keys()


def test_on_a_phone_nothing_is_cut_off_and_controls_are_large_enough(browser: Browser) -> None:
    """No horizontal scrolling even with a very long word; controls are 44 pixels high (WCAG 2.5.5)."""
    browser.resize(PHONE)
    add(browser, "x" * MAX_TEXT_LENGTH)
    assert browser.run("return document.scrollingElement.scrollWidth") <= PHONE
    heights = browser.run(
        "return [...document.querySelectorAll('button, input:not([type=hidden])')]"
        ".map(each => each.getBoundingClientRect().height)"
    )
    assert len(heights) == 3
    assert min(heights) >= 44


def test_a_double_click_adds_one_entry(browser: Browser) -> None:
    """Both requests carry the same key."""
    browser.control("textbox", "Text, .*").type("once")
    browser.follow(
        lambda: browser.run("const add = document.querySelector('form button'); add.click(); add.click();")
    )
    assert entries(browser) == ["once"]


def test_an_unknown_certificate_is_refused(flow: Flow, tmp_path: Path) -> None:
    """The negative control of all tests: the browser doesn't accept any server."""
    other = Authority(tmp_path / "other").issue("other")
    with started(other.certificate) as browser:
        browser.open(flow.site.url)
        assert "ERR_CERT_AUTHORITY_INVALID" in browser.text()
