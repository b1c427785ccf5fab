"""Controls of the edge: load balancer, certificate, web ACL, host name."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator

from templates.aws_versions import LOAD_BALANCER_TLS_POLICY
from templates.deployment_sections import IssuedCertificate

from ..account.edge import Listener, ListenerAction, ListenerRule
from ..account.state import AccountState
from ..model import Check, Control, Observation, Severity
from ..remedies import revert_drift

TO_HTTPS = ListenerAction("redirect", "HTTPS")
FIXED_RESPONSE = ListenerAction("fixed-response")


def _listeners(state: AccountState, protocol: str) -> Iterator[Listener]:
    return (listener for listener in state.edge.listeners if listener.protocol == protocol)


def _http_redirects(state: AccountState) -> Iterator[Observation]:
    for listener in _listeners(state, "HTTP"):
        actions = {action for rule in state.edge.rules(listener) for action in rule.actions}
        yield Observation(listener.arn, actions == {TO_HTTPS}, f"plain HTTP: {_listed(actions)}")


def _listed(actions: set[ListenerAction]) -> str:
    return ", ".join(map(str, sorted(actions)))


def _https(state: AccountState) -> Iterator[Observation]:
    protocols = sorted(listener.protocol for listener in state.edge.listeners)
    yield Observation(
        state.edge.load_balancer.arn, "HTTPS" in protocols, f"listeners: {', '.join(protocols) or 'none'}"
    )


def _tls_policy(state: AccountState) -> Iterator[Observation]:
    for listener in _listeners(state, "HTTPS"):
        ok = listener.tls_policy in LOAD_BALANCER_TLS_POLICY.supported
        yield Observation(listener.arn, ok, listener.tls_policy or "no TLS policy")


def _unknown_hosts(state: AccountState) -> Iterator[Observation]:
    """Check the default action, and every rule that matches any host name."""
    for listener in _listeners(state, "HTTPS"):
        actions = {
            action for rule in state.edge.rules(listener) if matches_any_host(rule) for action in rule.actions
        }
        evidence = f"requests for unknown hosts: {_listed(actions)}"
        yield Observation(listener.arn, actions == {FIXED_RESPONSE}, evidence)


def _own_hosts(state: AccountState) -> Iterator[Observation]:
    """Check that a rule forwards each host name of the environment; Beanstalk makes one for each."""
    own = [host for host in (state.environment.platform.host, state.deployment.domain.name) if host]
    for listener in _listeners(state, "HTTPS"):
        routed = {name.casefold() for rule in state.edge.rules(listener) for name in rule.host_names}
        missing = [host for host in own if host.casefold() not in routed]
        evidence = f"no rule for {', '.join(missing)}" if missing else f"forwards {', '.join(own)}"
        yield Observation(listener.arn, not missing, evidence)


def matches_any_host(rule: ListenerRule) -> bool:
    """Whether a rule has no condition on the host name, or one that consists of wildcards."""
    return not all(name.strip("*?.") for name in rule.host_names) or not rule.host_names


def _attribute(name: str, expected: str, accepted: Callable[[AccountState], bool] = lambda _: False) -> Check:
    """Return the check of an attribute of the load balancer."""

    def check(state: AccountState) -> Iterator[Observation]:
        value = state.edge.load_balancer_attributes.get(name, "")
        yield Observation(
            state.edge.load_balancer.name,
            value == expected,
            f"{name} is {value or 'not set'}",
            accepted(state),
        )

    return check


def _zones(state: AccountState) -> Iterator[Observation]:
    balancer = state.edge.load_balancer
    yield Observation(balancer.name, balancer.zones >= 2, f"{balancer.zones} zones")


def _web_acl(state: AccountState) -> Iterator[Observation]:
    acl = state.edge.web_acl
    evidence = f"protected by {acl.name}" if acl else "no web ACL"
    accepted = not state.deployment.edge.waf
    yield Observation(state.edge.load_balancer.name, acl is not None, evidence, accepted)


def _web_acl_rules(state: AccountState) -> Iterator[Observation]:
    if acl := state.edge.web_acl:
        yield Observation(acl.name, bool(acl.rules), f"rules: {', '.join(acl.rules) or 'none'}")


def _web_acl_logging(state: AccountState) -> Iterator[Observation]:
    if acl := state.edge.web_acl:
        headers = state.edge.redacted_headers(acl)
        if headers is None:
            yield Observation(acl.name, ok=False, evidence="requests are not logged")
            return
        missing = sorted({"authorization", "cookie"} - headers)
        evidence = (
            f"logged, but these headers are not redacted: {', '.join(missing)}"
            if missing
            else "logged, without credentials and cookies"
        )
        yield Observation(acl.name, not missing, evidence)


def _web_acl_metrics(state: AccountState) -> Iterator[Observation]:
    if acl := state.edge.web_acl:
        missing = ", ".join(acl.without_metrics)
        evidence = f"without metrics: {missing}" if missing else "the ACL and each rule have metrics"
        yield Observation(acl.name, not missing, evidence)


LEAST_VALID_DAYS = 30
"""ACM renews its own certificates 45 days before they expire: one with less was not renewed."""
WEAK_KEYS = frozenset({"RSA_1024"})


def _certificate_renewed(state: AccountState) -> Iterator[Observation]:
    now = dt.datetime.now(dt.UTC)
    for certificate in state.edge.certificates:
        if certificate.not_after is None:
            yield Observation(certificate.arn, ok=False, evidence=certificate.status)
            continue
        days = (certificate.not_after - now).days
        ok = certificate.status == "ISSUED" and days >= LEAST_VALID_DAYS
        yield Observation(certificate.arn, ok, f"{certificate.status}, expires in {days} days")


def _certificate_key(state: AccountState) -> Iterator[Observation]:
    for certificate in state.edge.certificates:
        algorithm = certificate.key_algorithm
        yield Observation(certificate.arn, algorithm not in WEAK_KEYS, algorithm)


def _certificate_issuer(state: AccountState) -> Iterator[Observation]:
    accepted = not isinstance(state.deployment.domain, IssuedCertificate)
    for certificate in state.edge.certificates:
        issued = certificate.type == "AMAZON_ISSUED"
        evidence = "issued and renewed by ACM" if issued else f"{certificate.type}, not renewed by ACM"
        yield Observation(certificate.arn, issued, evidence, accepted)


YEAR_SECONDS = 365 * 24 * 3600


def _response_headers(state: AccountState) -> Iterator[Observation]:
    prefix = "routing.http.response"
    for listener in _listeners(state, "HTTPS"):
        values = state.edge.listener_attributes(listener)
        hsts = values.get(f"{prefix}.strict_transport_security.header_value", "")
        age = re.search(r"max-age=(\d+)", hsts)
        server = values.get(f"{prefix}.server.enabled", "true")
        evidence = f"Strict-Transport-Security is {hsts or 'not set'}, server.enabled is {server}"
        ok = age is not None and int(age[1]) >= YEAR_SECONDS and server == "false"
        yield Observation(listener.arn, ok, evidence)


def _query_logging(state: AccountState) -> Iterator[Observation]:
    domain = state.deployment.domain
    if isinstance(domain, IssuedCertificate):
        logged = state.edge.queries_logged(domain.hosted_zone_id)
        yield Observation(
            domain.hosted_zone_id, logged, "queries are logged" if logged else "queries are not logged"
        )


HIGH, MEDIUM, LOW = Severity.HIGH, Severity.MEDIUM, Severity.LOW
EDGE = revert_drift("edge")


def _or_set(setting: str) -> str:
    """Return the remedy of a property that a trial may turn off in its deployment file."""
    return f"{EDGE}; in a trial: set edge.{setting}"


CONTROLS = (
    Control(
        "ELB.1",
        "Plain HTTP is redirected to HTTPS",
        MEDIUM,
        "remove the listener, the deployment has no port 80: aws elbv2 delete-listener",
        _http_redirects,
    ),
    Control("ELB.18", "The load balancer has an HTTPS listener", HIGH, EDGE, _https),
    Control("ELB.17", "Listeners have a current TLS policy", MEDIUM, EDGE, _tls_policy),
    Control(
        "BV.EDGE1",
        "Requests for unknown host names are rejected",
        LOW,
        f"the default action: {EDGE}; a rule for any host: aws elbv2 delete-rule",
        _unknown_hosts,
    ),
    Control(
        "ELB.4",
        "Invalid headers are dropped",
        MEDIUM,
        EDGE,
        _attribute("routing.http.drop_invalid_header_fields.enabled", "true"),
    ),
    Control(
        "ELB.12",
        "Desync mitigation is strictest",
        MEDIUM,
        EDGE,
        _attribute("routing.http.desync_mitigation_mode", "strictest"),
    ),
    Control("ELB.5", "Access is logged", MEDIUM, EDGE, _attribute("access_logs.s3.enabled", "true")),
    Control(
        "ELB.6",
        "The load balancer is protected from deletion",
        LOW,
        _or_set("deletion_protection = true"),
        _attribute(
            "deletion_protection.enabled",
            "true",
            lambda state: not state.deployment.edge.deletion_protection,
        ),
    ),
    Control("ELB.13", "The load balancer spans two zones", MEDIUM, EDGE, _zones),
    Control("ELB.16", "A web ACL protects the load balancer", MEDIUM, _or_set("waf = true"), _web_acl),
    Control("WAF.10", "The web ACL has rules", MEDIUM, EDGE, _web_acl_rules),
    Control("WAF.11", "The web ACL's requests are logged, redacted", LOW, EDGE, _web_acl_logging),
    Control("WAF.12", "The web ACL's rules have metrics", MEDIUM, EDGE, _web_acl_metrics),
    Control(
        "ACM.1",
        "Certificates are renewed in time",
        MEDIUM,
        "a trial's: beanvault deploy edge; an imported one: import its successor",
        _certificate_renewed,
    ),
    Control(
        "ACM.2",
        "Certificates have strong keys",
        HIGH,
        "aws acm request-certificate --key-algorithm RSA_2048",
        _certificate_key,
    ),
    Control(
        "BV.EDGE2",
        "ACM issues and renews the certificate",
        MEDIUM,
        'set domain.certificate = "issued"',
        _certificate_issuer,
    ),
    Control(
        "BV.EDGE3",
        "The app's host names have a listener rule",
        HIGH,
        "beanvault deploy environment prints the command that makes the missing rule",
        _own_hosts,
    ),
    Control("SEC09-BP02", "Browsers are required to use TLS (HSTS)", MEDIUM, EDGE, _response_headers),
    Control(
        "Route53.2",
        "DNS queries are logged",
        MEDIUM,
        "aws route53 create-query-logging-config (its log group has to be in us-east-1)",
        _query_logging,
    ),
)
