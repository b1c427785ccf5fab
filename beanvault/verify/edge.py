"""Controls of the edge: load balancer, certificate, web ACL, name."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from templates.aws_versions import LOAD_BALANCER_TLS_POLICY
from templates.deployment_sections import IssuedCertificate

from ..aws import code
from .live import AccountState
from .model import Control, Observation, Severity
from .remedy import put_back


def _redirect(live: AccountState) -> Iterator[Observation]:
    for listener in live.listeners:
        if listener["Protocol"] == "HTTP":
            kinds = sorted({_told(action) for rule in live.rules(listener) for action in rule["Actions"]})
            yield Observation(
                listener["ListenerArn"], kinds == ["redirect to HTTPS"], f"plain HTTP: {', '.join(kinds)}"
            )


def _told(action: Any) -> str:
    """Return what an action is, and for a redirect where it leads."""
    to = action.get("RedirectConfig", {}).get("Protocol", "")
    return f"{action['Type']} to {to}" if to else str(action["Type"])


def _tls_policy(live: AccountState) -> Iterator[Observation]:
    for listener in live.listeners:
        if listener["Protocol"] == "HTTPS":
            policy = listener.get("SslPolicy", "none")
            yield Observation(listener["ListenerArn"], policy in LOAD_BALANCER_TLS_POLICY.supported, policy)


def _https(live: AccountState) -> Iterator[Observation]:
    protocols = sorted(listener["Protocol"] for listener in live.listeners)
    yield Observation(
        live.balancer["LoadBalancerArn"], "HTTPS" in protocols, f"listens for {', '.join(protocols)}"
    )


def _unknown_hosts(live: AccountState) -> Iterator[Observation]:
    """Look at the default action, and for rules that take whatever host name."""
    for listener in live.listeners:
        if listener["Protocol"] == "HTTPS":
            kinds = {
                _told(action)
                for rule in live.rules(listener)
                if not _named_hosts(rule)
                for action in rule["Actions"]
            }
            told = f"unknown hosts get {', '.join(sorted(kinds))}"
            yield Observation(listener["ListenerArn"], kinds == {"fixed-response"}, told)


def _named_hosts(rule: Any) -> bool:
    """Whether a rule is for certain host names."""
    names = [
        name
        for condition in rule["Conditions"]
        if condition["Field"] == "host-header"
        for name in condition.get("HostHeaderConfig", {}).get("Values") or condition.get("Values", ())
    ]
    return bool(names) and all(name.strip("*?.") for name in names)


def _attribute(name: str, wanted: str, chosen: str = "") -> Any:
    def look(live: AccountState) -> Iterator[Observation]:
        value = live.balancer_attributes.get(name, "")
        by_choice = bool(chosen) and not getattr(live.deployment.edge, chosen)
        yield Observation(
            live.balancer["LoadBalancerName"], value == wanted, f"{name} is {value or 'not set'}", by_choice
        )

    return look


def _balancer_zones(live: AccountState) -> Iterator[Observation]:
    zones = len(live.balancer["AvailabilityZones"])
    yield Observation(live.balancer["LoadBalancerName"], zones >= 2, f"{zones} zones")


def _web_acl(live: AccountState) -> Iterator[Observation]:
    acl = live.web_acl
    chosen = not live.deployment.edge.waf
    told = f"guarded by {acl['Name']}" if acl else "no web ACL"
    yield Observation(live.balancer["LoadBalancerName"], acl is not None, told, chosen)


def _web_acl_rules(live: AccountState) -> Iterator[Observation]:
    if acl := live.web_acl:
        rules = [rule["Name"] for rule in acl["Rules"]]
        yield Observation(acl["Name"], bool(rules), f"rules: {', '.join(rules) or 'none'}")


def _web_acl_logging(live: AccountState) -> Iterator[Observation]:
    if acl := live.web_acl:
        client = live.aws.client("wafv2")
        try:
            found = client.get_logging_configuration(ResourceArn=acl["ARN"])["LoggingConfiguration"]
        except ClientError as error:
            if code(error) != "WAFNonexistentItemException":
                raise
            yield Observation(acl["Name"], ok=False, evidence="its requests are not logged")
            return
        headers = {
            field["SingleHeader"]["Name"].lower()
            for field in found.get("RedactedFields", ())
            if "SingleHeader" in field
        }
        missing = sorted({"authorization", "cookie"} - headers)
        told = f"not redacted: {', '.join(missing)}" if missing else "logged, without credentials and cookies"
        yield Observation(acl["Name"], not missing, told)


def _web_acl_metrics(live: AccountState) -> Iterator[Observation]:
    if acl := live.web_acl:
        dark = [
            part["Name"]
            for part in (acl, *acl["Rules"])
            if not part["VisibilityConfig"]["CloudWatchMetricsEnabled"]
        ]
        told = f"without metrics: {', '.join(dark)}" if dark else "the ACL and each rule have metrics"
        yield Observation(acl["Name"], not dark, told)


RENEWED_DAYS = 30
"""ACM renews its own certificates 45 days before their end; what is later than this was not renewed."""
WEAK_KEYS = frozenset({"RSA_1024"})


def _certificate_age(live: AccountState) -> Iterator[Observation]:
    for found in live.certificates:
        left = (found["NotAfter"] - dt.datetime.now(dt.UTC)).days
        ok = found["Status"] == "ISSUED" and left >= RENEWED_DAYS
        yield Observation(found["CertificateArn"], ok, f"{found['Status']}, ends in {left} days")


def _certificate_key(live: AccountState) -> Iterator[Observation]:
    for found in live.certificates:
        kind = found["KeyAlgorithm"]
        yield Observation(found["CertificateArn"], kind not in WEAK_KEYS, kind)


def _certificate_issuer(live: AccountState) -> Iterator[Observation]:
    for found in live.certificates:
        issued = found["Type"] == "AMAZON_ISSUED"
        told = "issued and renewed by ACM" if issued else f"{found['Type']}, renewed by nobody but you"
        chosen = not isinstance(live.deployment.domain, IssuedCertificate)
        yield Observation(found["CertificateArn"], issued, told, chosen)


YEAR = 365 * 24 * 3600


def _response_headers(live: AccountState) -> Iterator[Observation]:
    prefix = "routing.http.response"
    for listener in live.listeners:
        if listener["Protocol"] != "HTTPS":
            continue
        answer = live.aws.client("elbv2").describe_listener_attributes(ListenerArn=listener["ListenerArn"])
        values = {entry["Key"]: entry["Value"] for entry in answer["Attributes"]}
        hsts = values.get(f"{prefix}.strict_transport_security.header_value", "")
        age = re.search(r"max-age=(\d+)", hsts)
        server = values.get(f"{prefix}.server.enabled", "true")
        told = f"Strict-Transport-Security is {hsts or 'not set'}, the Server header is {server}"
        ok = age is not None and int(age[1]) >= YEAR and server == "false"
        yield Observation(listener["ListenerArn"], ok, told)


def _query_logging(live: AccountState) -> Iterator[Observation]:
    domain = live.deployment.domain
    if not isinstance(domain, IssuedCertificate):
        return
    zone = domain.hosted_zone_id
    found = live.pages("route53", "list_query_logging_configs", "QueryLoggingConfigs", HostedZoneId=zone)
    told = "queries are logged" if found else "queries are not logged"
    yield Observation(zone, bool(found), told)


HIGH, MEDIUM, LOW = Severity.HIGH, Severity.MEDIUM, Severity.LOW
EDGE = put_back("edge")


def _or_set(setting: str) -> str:
    """Mend what somebody changed, or what a trial left out."""
    return f"{EDGE}; a trial: set edge.{setting}"


CONTROLS = (
    Control(
        "ELB.1",
        "Plain HTTP only redirects",
        MEDIUM,
        "aws elbv2 delete-listener: we have no port 80",
        _redirect,
    ),
    Control("ELB.2", "The load balancer speaks HTTPS", HIGH, EDGE, _https),
    Control("ELB.17", "Only current TLS policies", MEDIUM, EDGE, _tls_policy),
    Control(
        "BV.EDGE1",
        "Unknown host names are turned away",
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
        _attribute("deletion_protection.enabled", "true", "deletion_protection"),
    ),
    Control("ELB.13", "The load balancer spans two zones", MEDIUM, EDGE, _balancer_zones),
    Control(
        "ELB.16",
        "A web ACL guards the load balancer",
        MEDIUM,
        _or_set("waf = true"),
        _web_acl,
    ),
    Control("WAF.10", "The web ACL has rules", MEDIUM, EDGE, _web_acl_rules),
    Control("WAF.11", "The web ACL's requests are logged, redacted", LOW, EDGE, _web_acl_logging),
    Control("WAF.12", "The web ACL's rules have metrics", MEDIUM, EDGE, _web_acl_metrics),
    Control(
        "ACM.1",
        "Certificates are renewed in time",
        MEDIUM,
        "a trial's: beanvault deploy edge; an imported one: import its successor",
        _certificate_age,
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
    Control("SEC09-BP02", "Browsers are told to come by TLS only", MEDIUM, EDGE, _response_headers),
    Control(
        "Route53.2",
        "DNS queries are logged",
        MEDIUM,
        "aws route53 create-query-logging-config (its log group lies in us-east-1)",
        _query_logging,
    ),
)
