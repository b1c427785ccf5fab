"""Breaks of load balancer, web ACL and certificate."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from .support_breaks import Site, Table

BREAKS = Table()


def _listener(site: Site) -> Any:
    arn = site.physical_id("edge", "LoadBalancer")
    found = site.client("elbv2").describe_listeners(LoadBalancerArn=arn)["Listeners"]
    return next(each for each in found if each["Protocol"] == "HTTPS")


def _plain_http(action: Mapping[str, Any], site: Site) -> Iterator[None]:
    elb = site.client("elbv2")
    (made,) = elb.create_listener(
        LoadBalancerArn=site.physical_id("edge", "LoadBalancer"),
        Protocol="HTTP",
        Port=80,
        DefaultActions=[action],
    )["Listeners"]
    yield
    elb.delete_listener(ListenerArn=made["ListenerArn"])


_FIXED = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200"}}


def _redirect(protocol: str) -> dict[str, Any]:
    return {"Type": "redirect", "RedirectConfig": {"Protocol": protocol, "StatusCode": "HTTP_301"}}


BREAKS.add("ELB.1", partial(_plain_http, _FIXED), "plain_http_is_answered")
BREAKS.add("ELB.1", partial(_plain_http, _redirect("HTTP")), "plain_http_is_redirected_to_plain_http")


@BREAKS.breaks("ELB.1")
def _a_rule_answers_plain_http(site: Site) -> Iterator[None]:
    steps, elb = _plain_http(_redirect("HTTPS"), site), site.client("elbv2")
    next(steps)
    found = elb.describe_listeners(LoadBalancerArn=site.physical_id("edge", "LoadBalancer"))["Listeners"]
    listener = next(each["ListenerArn"] for each in found if each["Protocol"] == "HTTP")
    path = [{"Field": "path-pattern", "Values": ["/old"]}]
    elb.create_rule(ListenerArn=listener, Priority=7, Conditions=path, Actions=[_FIXED])
    yield
    next(steps, None)


@BREAKS.breaks("ELB.1", "ELB.18")
def _the_listener_is_plain_http(site: Site) -> Iterator[None]:
    elb, listener = site.client("elbv2"), _listener(site)
    elb.modify_listener(ListenerArn=listener["ListenerArn"], Protocol="HTTP", Port=80)
    yield
    kept = ("ListenerArn", "Protocol", "Port", "Certificates", "SslPolicy")
    elb.modify_listener(**{key: listener[key] for key in kept})


@BREAKS.breaks("ELB.17")
def _an_old_tls_policy(site: Site) -> Iterator[None]:
    elb, listener = site.client("elbv2"), _listener(site)
    elb.modify_listener(ListenerArn=listener["ListenerArn"], SslPolicy="ELBSecurityPolicy-2016-08")
    yield
    elb.modify_listener(ListenerArn=listener["ListenerArn"], SslPolicy=listener["SslPolicy"])


def _forward(site: Site, listener: Any) -> dict[str, Any]:
    rules = site.client("elbv2").describe_rules(ListenerArn=listener["ListenerArn"])["Rules"]
    action = next(each for rule in rules for each in rule["Actions"] if each["Type"] == "forward")
    return {"Type": "forward", "TargetGroupArn": action["TargetGroupArn"]}


@BREAKS.breaks("BV.EDGE1")
def _unknown_hosts_reach_the_app(site: Site) -> Iterator[None]:
    elb, listener = site.client("elbv2"), _listener(site)
    arn = listener["ListenerArn"]
    elb.modify_listener(ListenerArn=arn, DefaultActions=[_forward(site, listener)])
    yield
    elb.modify_listener(ListenerArn=arn, DefaultActions=listener["DefaultActions"])


@BREAKS.breaks("BV.EDGE1")
def _a_path_reaches_the_app_under_any_host(site: Site) -> Iterator[None]:
    elb, listener = site.client("elbv2"), _listener(site)
    (rule,) = elb.create_rule(
        ListenerArn=listener["ListenerArn"],
        Priority=77,
        Conditions=[{"Field": "path-pattern", "Values": ["/admin"]}],
        Actions=[_forward(site, listener)],
    )["Rules"]
    yield
    elb.delete_rule(RuleArn=rule["RuleArn"])


@BREAKS.breaks("BV.EDGE3")
def _the_rule_of_the_apps_own_name_is_missing(site: Site) -> Iterator[None]:
    elb, listener = site.client("elbv2"), _listener(site)
    rules = elb.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"]
    rule = next(each for each in rules if "localhost" in str(each["Conditions"]))
    elb.delete_rule(RuleArn=rule["RuleArn"])
    yield
    kept = {key: rule[key] for key in ("Conditions", "Actions")}
    elb.create_rule(ListenerArn=listener["ListenerArn"], Priority=int(rule["Priority"]), **kept)


def _attribute(key: str, bad: str, good: str, site: Site) -> Iterator[None]:
    elb, arn = site.client("elbv2"), site.physical_id("edge", "LoadBalancer")
    elb.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=[{"Key": key, "Value": bad}])
    yield
    elb.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=[{"Key": key, "Value": good}])


for _control, _key, _bad, _good in (
    ("ELB.4", "routing.http.drop_invalid_header_fields.enabled", "false", "true"),
    ("ELB.12", "routing.http.desync_mitigation_mode", "monitor", "strictest"),
    ("ELB.5", "access_logs.s3.enabled", "false", "true"),
    ("ELB.6", "deletion_protection.enabled", "false", "true"),
):
    BREAKS.add(_control, partial(_attribute, _key, _bad, _good), f"{_key}_is_{_bad}")


@BREAKS.breaks("ELB.16")
def _no_web_acl_protects_the_load_balancer(site: Site) -> Iterator[None]:
    waf, arn = site.client("wafv2"), site.physical_id("edge", "LoadBalancer")
    acl = waf.get_web_acl_for_resource(ResourceArn=arn)["WebACL"]["ARN"]
    waf.disassociate_web_acl(ResourceArn=arn)
    yield
    waf.associate_web_acl(ResourceArn=arn, WebACLArn=acl)


def _web_acl(change: Callable[[Any], Mapping[str, Any]], site: Site) -> Iterator[None]:
    waf, arn = site.client("wafv2"), site.physical_id("edge", "LoadBalancer")
    acl = waf.get_web_acl_for_resource(ResourceArn=arn)["WebACL"]
    named = {"Name": acl["Name"], "Id": acl["Id"], "Scope": "REGIONAL"}

    def update(**values: Any) -> None:
        kept = {key: acl[key] for key in ("DefaultAction", "Rules", "VisibilityConfig")}
        waf.update_web_acl(**named, LockToken=waf.get_web_acl(**named)["LockToken"], **{**kept, **values})

    update(**change(acl))
    yield
    update()


@BREAKS.breaks("WAF.10", "WAF.11")
def _an_empty_web_acl_replaces_ours(site: Site) -> Iterator[None]:
    waf, arn = site.client("wafv2"), site.physical_id("edge", "LoadBalancer")
    ours = waf.get_web_acl_for_resource(ResourceArn=arn)["WebACL"]
    kept = {key: ours[key] for key in ("DefaultAction", "VisibilityConfig")}
    made = waf.create_web_acl(Name="empty", Scope="REGIONAL", Rules=[], **kept)["Summary"]
    waf.disassociate_web_acl(ResourceArn=arn)
    waf.associate_web_acl(ResourceArn=arn, WebACLArn=made["ARN"])
    yield
    waf.disassociate_web_acl(ResourceArn=arn)
    waf.associate_web_acl(ResourceArn=arn, WebACLArn=ours["ARN"])


BREAKS.add(
    "WAF.12",
    partial(
        _web_acl,
        lambda acl: {"VisibilityConfig": {**acl["VisibilityConfig"], "CloudWatchMetricsEnabled": False}},
    ),
    "the_web_acl_has_no_metrics",
)


@BREAKS.breaks("WAF.11")
def _the_web_acl_logs_nothing(site: Site) -> Iterator[None]:
    waf, arn = site.client("wafv2"), site.physical_id("edge", "LoadBalancer")
    acl = waf.get_web_acl_for_resource(ResourceArn=arn)["WebACL"]["ARN"]
    kept = waf.get_logging_configuration(ResourceArn=acl)["LoggingConfiguration"]
    waf.delete_logging_configuration(ResourceArn=acl)
    yield
    waf.put_logging_configuration(LoggingConfiguration=kept)


@BREAKS.breaks("ACM.1", "ACM.2", "BV.EDGE2")
def _a_weak_imported_certificate_that_expires_soon(site: Site) -> Iterator[None]:
    elb, acm, listener = site.client("elbv2"), site.client("acm"), _listener(site)
    certificate, key = _weak_certificate()
    arn = acm.import_certificate(Certificate=certificate, PrivateKey=key)["CertificateArn"]
    elb.modify_listener(ListenerArn=listener["ListenerArn"], Certificates=[{"CertificateArn": arn}])
    yield
    elb.modify_listener(ListenerArn=listener["ListenerArn"], Certificates=listener["Certificates"])
    acm.delete_certificate(CertificateArn=arn)


def _weak_certificate() -> tuple[bytes, bytes]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - that is the point
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "weak.example.com")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=5))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    return certificate.public_bytes(serialization.Encoding.PEM), private


@BREAKS.breaks("SEC09-BP02")
def _browsers_forget_within_a_minute(site: Site) -> Iterator[None]:
    elb, arn = site.client("elbv2"), _listener(site)["ListenerArn"]
    key = "routing.http.response.strict_transport_security.header_value"
    kept = next(
        each for each in elb.describe_listener_attributes(ListenerArn=arn)["Attributes"] if each["Key"] == key
    )
    elb.modify_listener_attributes(ListenerArn=arn, Attributes=[{"Key": key, "Value": "max-age=60"}])
    yield
    elb.modify_listener_attributes(ListenerArn=arn, Attributes=[kept])
