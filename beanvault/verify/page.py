"""The report of a verification for a reviewer: one page of HTML that needs nothing else, and no script.

First whether the deployment is hardened and how it was looked at, then what fails and what to do about it,
then every control. Radio buttons filter the controls by means of the style sheet alone.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import groupby

from .. import __version__
from .checks import CONTROLS
from .export import counts
from .model import Finding, Severity, Status

ORDER = {Status.FAIL: 0, Status.UNKNOWN: 1, Status.PASS: 2, Status.NOT_APPLICABLE: 3}
WEIGHT = {Severity.CRITICAL: 0, Severity.HIGH: 1, Severity.MEDIUM: 2, Severity.LOW: 3}
CLASS = {Status.PASS: "pass", Status.FAIL: "fail", Status.UNKNOWN: "unknown", Status.NOT_APPLICABLE: "na"}
SIGN = {Status.PASS: "✓", Status.FAIL: "✗", Status.UNKNOWN: "?", Status.NOT_APPLICABLE: "·"}
MEANING = {
    Status.FAIL: "What AWS answered is not what the control asks for.",
    Status.UNKNOWN: "AWS wouldn't or couldn't answer; the evidence says why. It may be either.",
    Status.PASS: "What AWS answered is what the control asks for.",
    Status.NOT_APPLICABLE: "There is nothing it could apply to, or the deployment file openly asks for less.",
}

STYLE = """
:root { color-scheme: light dark; --line: #8883; --soft: #8881; --link: #0550ae;
  --pass: #1a7f37; --fail: #b3261e; --unknown: #8a5a00; --na: #57606a }
@media (prefers-color-scheme: dark) {
  :root { --pass: #56d364; --fail: #ff8a80; --unknown: #e3b341; --na: #9aa4af; --link: #79c0ff } }
:root { background: Canvas; color: CanvasText }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.7rem; line-height: 1.25; margin-bottom: .5rem }
h2 { font-size: 1.25rem; margin: 2.2rem 0 .6rem }
a { color: var(--link) }
code, .id, .evidence { font-family: ui-monospace, monospace; font-size: .875em }
.id { font-weight: 600; white-space: nowrap }
td, li, dd, article { overflow-wrap: anywhere }
.pass { --status: var(--pass) } .fail { --status: var(--fail) }
.unknown { --status: var(--unknown) } .na { --status: var(--na) }
.word { color: var(--status); font-weight: 600; white-space: nowrap }
.sums { display: flex; gap: .75rem; flex-wrap: wrap; padding: 0; list-style: none }
.sums li { border: 1px solid var(--line); border-top: 4px solid var(--status); border-radius: 6px;
  padding: .5rem 1rem; min-width: 7rem }
.sums b { font-size: 1.9rem; display: block; line-height: 1.2; color: var(--status) }
table { border-collapse: collapse; width: 100% }
caption { text-align: left; padding: .3rem 0; color: var(--na) }
th, td { text-align: left; vertical-align: top; padding: .45rem .6rem; border-bottom: 1px solid var(--line) }
.areas td, .areas th + th { text-align: right }
.areas { overflow-x: auto }
.areas .zero { color: var(--na); font-weight: 400 }
.controls th:nth-child(1), .controls th:nth-child(2) { width: 8.5rem }
.controls th:nth-child(3) { width: 17rem }
.controls ul { margin: 0; padding: 0; list-style: none }
.controls li + li { margin-top: .35rem }
.controls li.pass .word, .controls li.na .word { display: none }
article { border: 1px solid var(--line); border-left: 5px solid var(--status); border-radius: 6px;
  padding: .8rem 1rem; margin: .8rem 0; break-inside: avoid }
article h3 { margin: 0 0 .4rem; font-size: 1.05rem }
article dl { display: grid; grid-template-columns: 6rem 1fr; gap: .2rem .8rem; margin: 0 }
dt { color: var(--na) } dd { margin: 0 }
fieldset { border: 1px solid var(--line); border-radius: 6px; display: flex; gap: 1.2rem; flex-wrap: wrap }
.note { background: var(--soft); border-radius: 6px; padding: .8rem 1rem }
.controls:has(#only-fail:checked) :is(tbody tr, .area):not(.fail, .has-fail),
.controls:has(#only-unknown:checked) :is(tbody tr, .area):not(.unknown, .has-unknown),
.controls:has(#only-pass:checked) :is(tbody tr, .area):not(.pass, .has-pass),
.controls:has(#only-na:checked) :is(tbody tr, .area):not(.na, .has-na) { display: none }
@media (max-width: 45rem) {
  .controls thead { position: absolute; left: -9999px }
  .controls tr, .controls td { display: block; border: 0; padding: .1rem 0 }
  .controls tr { border-bottom: 1px solid var(--line); padding: .6rem 0 }
  article dl { display: block } }
@media print {
  :root { color-scheme: light } body { max-width: none; margin: 0; font-size: 10pt }
  fieldset { display: none } thead { display: table-header-group } tr { break-inside: avoid } }
"""


def render(findings: Sequence[Finding], name: str, region: str, account: str, now: dt.datetime) -> str:
    """Return the page; what others wrote (names, tags) is escaped, and the page may load nothing."""
    told = counts(findings)
    verdict = _verdict(told)
    moment = now.astimezone(dt.UTC)
    title = f"{name}: {verdict}"
    asked = len({finding.id for finding in findings})
    return "".join(
        [
            _head(title),
            f"<body><main><h1>{escape(title)}</h1>",
            f"<p>Account <code>{escape(account)}</code>, region <code>{escape(region)}</code>, ",
            f'<time datetime="{moment.isoformat()}">{moment:%Y-%m-%d %H:%M} UTC</time>, ',
            f"{asked} of {len(CONTROLS)} controls, by beanvault {escape(__version__)}.</p>",
            _sums(told),
            *_problems(findings),
            _areas(findings),
            '<section class="controls"><h2>All controls</h2>',
            _filter(told),
            *(_area(area, list(group)) for area, group in groupby(findings, lambda each: each.area)),
            "</section>",
            _method(),
            "</main></body></html>\n",
        ]
    )


def _head(title: str) -> str:
    allowed = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{allowed}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>"
    )


def _verdict(told: Mapping[Status, int]) -> str:
    if told[Status.FAIL]:
        return f"not hardened, {told[Status.FAIL]} to mend"
    if told[Status.UNKNOWN]:
        return f"nothing fails, {told[Status.UNKNOWN]} unknown"
    return "hardened"


def _sums(told: Mapping[Status, int]) -> str:
    items = "".join(
        f'<li class="{CLASS[status]}"><b>{told[status]}</b>{escape(status.value)}</li>' for status in ORDER
    )
    return f'<ul class="sums" aria-label="Findings by status">{items}</ul>'


def _problems(findings: Sequence[Finding]) -> Iterator[str]:
    """Yield what a reader has to act upon, the worst first."""
    for status, heading in ((Status.FAIL, "What fails"), (Status.UNKNOWN, "What couldn't be asked")):
        found = [each for each in findings if each.status is status]
        if not found and status is Status.UNKNOWN:
            continue
        yield f"<section><h2>{escape(heading)}</h2>"
        if not found:
            yield '<p class="note">Nothing.</p>'
        for finding in sorted(found, key=lambda each: (WEIGHT[each.severity], each.id, each.resource)):
            lines = {
                "Resource": finding.resource,
                "Evidence": finding.evidence,
                "Remedy": finding.remedy,
                "Rule of": finding.standard,
            }
            told = "".join(f"<dt>{term}</dt><dd>{escape(text)}</dd>" for term, text in lines.items() if text)
            yield (
                f'<article class="{CLASS[status]}"><h3><span class="word">{SIGN[status]} '
                f"{finding.severity.value.lower()}</span> {_id(finding)} {escape(finding.title)}</h3>"
                f"<dl>{told}</dl></article>"
            )
        yield "</section>"


def _areas(findings: Sequence[Finding]) -> str:
    head = "".join(f'<th scope="col">{escape(status.value)}</th>' for status in ORDER)
    rows = []
    for area, group in groupby(findings, lambda each: each.area):
        told = counts(list(group))
        cells = "".join(
            f'<td class="{CLASS[status]}"><span class="{"word" if told[status] else "zero"}">'
            f"{told[status]}</span></td>"
            for status in ORDER
        )
        rows.append(f'<tr><th scope="row">{escape(area)}</th>{cells}</tr>')
    return (
        # What scrolls sideways on a phone has to be reached by the keyboard, too.
        '<section class="areas" tabindex="0" aria-labelledby="areas"><h2 id="areas">By area</h2><table>'
        "<caption>Findings, one for each resource of a control</caption>"
        f'<thead><tr><th scope="col">Area</th>{head}</tr></thead><tbody>{"".join(rows)}</tbody>'
        "</table></section>"
    )


def _filter(told: Mapping[Status, int]) -> str:
    choices = [("all", "all", True)] + [
        (CLASS[status], status.value, False) for status in ORDER if told[status]
    ]
    buttons = "".join(
        f'<label><input type="radio" name="only" id="only-{key}"{" checked" if checked else ""}> '
        f"{escape(word)}</label>"
        for key, word, checked in choices
    )
    return f"<fieldset><legend>Show</legend>{buttons}</fieldset>"


def _area(area: str, findings: Sequence[Finding]) -> str:
    """Return one table; a row is a control, and its resources are a list in it."""
    rows, kinds = [], set()
    for _, group in groupby(findings, lambda each: each.id):
        ordered = sorted(group, key=lambda each: (ORDER[each.status], each.resource))
        worst = ordered[0]
        kinds.add(f"has-{CLASS[worst.status]}")
        seen = "".join(_seen(finding) for finding in ordered)
        rows.append(
            f'<tr class="{CLASS[worst.status]}"><td><span class="word">{SIGN[worst.status]} '
            f"{escape(worst.status.value)}</span></td><td>{_id(worst)}<br>{worst.severity.value.lower()}</td>"
            f"<td>{escape(worst.title)}</td><td><ul>{seen}</ul></td></tr>"
        )
    head = "".join(
        f'<th scope="col">{each}</th>' for each in ("Status", "Control", "What", "Resources and evidence")
    )
    return (
        f'<div class="area {" ".join(sorted(kinds))}"><h3>{escape(area)}</h3>'
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _seen(finding: Finding) -> str:
    resource = f"<code>{escape(finding.resource)}</code>: " if finding.resource else ""
    return (
        f'<li class="{CLASS[finding.status]}"><span class="word">{escape(finding.status.value)}</span> '
        f"{resource}{escape(finding.evidence)}</li>"
    )


def _id(finding: Finding) -> str:
    text = f'<span class="id">{escape(finding.id)}</span>'
    return f'<a href="{escape(finding.reference)}">{text}</a>' if finding.reference else text


def _method() -> str:
    meanings = "".join(
        f'<dt class="{CLASS[status]}"><span class="word">{SIGN[status]} {escape(status.value)}</span></dt>'
        f"<dd>{escape(text)}</dd>"
        for status, text in MEANING.items()
    )
    return (
        '<section><h2>How it was looked at</h2><div class="note"><p>Each line is what AWS\'s APIs answered '
        "at the time above, about the resources of the deployment's stacks and all that is in its VPC. "
        "Nothing was taken from templates, and nothing was changed. No secret value was read.</p>"
        f"<dl>{meanings}</dl></div></section>"
    )
