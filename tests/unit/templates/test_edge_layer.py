"""Story of templates/edge_layer.py, templates/load_balancer.py and templates/web_acl.py.

`templates.edge_layer`, `load_balancer` and `web_acl`, as rendered: HTTPS only.
"""

from typing import Any

import pytest

from tests.unit.templates.renders import CONFIGURATIONS, layers, resource


def _attributes(entries: list[dict[str, Any]]) -> dict[str, Any]:
    return {entry["Key"]: entry["Value"] for entry in entries}


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_the_load_balancer_is_hardened(configuration: str) -> None:
    """Invalid headers dropped, smuggling mitigated, both logs kept (ELB.4, 5, 12)."""
    balancer = resource(configuration, "edge", "LoadBalancer")
    attributes = _attributes(balancer["LoadBalancerAttributes"])
    assert attributes["routing.http.drop_invalid_header_fields.enabled"] == "true"
    assert attributes["routing.http.desync_mitigation_mode"] == "strictest"
    assert attributes["access_logs.s3.enabled"] == attributes["connection_logs.s3.enabled"] == "true"
    assert not balancer["Name"].startswith("awseb-")


def test_only_production_is_protected_from_deletion() -> None:
    """A trial can be deleted with one command."""
    for configuration, protected in (("dev", "false"), ("production", "true")):
        balancer = resource(configuration, "edge", "LoadBalancer")
        assert _attributes(balancer["LoadBalancerAttributes"])["deletion_protection.enabled"] == protected


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_a_request_that_no_rule_matches_receives_404(configuration: str) -> None:
    """The listener forwards nothing by default; Beanstalk adds its rules."""
    listener = resource(configuration, "edge", "HttpsListener")
    (action,) = listener["DefaultActions"]
    assert (action["Type"], action["FixedResponseConfig"]["StatusCode"]) == ("fixed-response", "404")
    attributes = _attributes(listener["ListenerAttributes"])
    assert attributes["routing.http.response.strict_transport_security.header_value"].startswith("max-age=")
    assert attributes["routing.http.response.server.enabled"] == "false"


def test_the_certificate_is_issued_given_or_a_parameter() -> None:
    """One for each kind of domain."""
    certificates = {
        name: resource(name, "edge", "HttpsListener")["Certificates"][0]["CertificateArn"]
        for name in ("production", "everything", "dev")
    }
    assert certificates["production"] == {"Ref": "Certificate"}
    assert resource("production", "edge", "Certificate")["ValidationMethod"] == "DNS"
    assert certificates["everything"].startswith("arn:aws:acm:")
    assert certificates["dev"] == {"Ref": "CertificateArn"}
    assert "CertificateArn" in layers("dev")["edge"]["Parameters"]


def test_a_dns_record_is_created_where_the_zone_is_given() -> None:
    """The alias of the domain leads to the load balancer."""
    assert resource("production", "edge", "DnsRecord")["Name"] == "beanvault.example.com"
    assert "DnsRecord" not in layers("dev")["edge"]["Resources"]


def test_the_web_acl_is_associated_and_logs_no_credentials() -> None:
    """Managed rules, a rate limit, and redacted headers; dev goes without (ELB.16, WAF.10-12)."""
    acl = resource("production", "edge", "WebAcl")
    assert acl["Rules"][0]["Name"] == "RateLimit"
    assert len(acl["Rules"]) == 5
    association = resource("production", "edge", "WebAclAssociation")
    assert association["ResourceArn"] == {"Ref": "LoadBalancer"}
    redacted = resource("production", "edge", "WebAclLogging")["RedactedFields"]
    assert {field["SingleHeader"]["Name"] for field in redacted} == {"authorization", "cookie"}
    assert "WebAcl" not in layers("dev")["edge"]["Resources"]
