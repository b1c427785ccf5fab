"""The edge layer: the HTTPS load balancer that Beanstalk shares, its certificate, web ACL and name."""

from troposphere import GetAtt, Parameter, Ref, Sub, Template
from troposphere.certificatemanager import Certificate as IssuedByAcm
from troposphere.certificatemanager import DomainValidationOption
from troposphere.elasticloadbalancingv2 import (
    Action,
    Certificate,
    FixedResponseConfig,
    Listener,
    ListenerAttribute,
    LoadBalancer,
    LoadBalancerAttributes,
)
from troposphere.route53 import AliasTarget, RecordSetType

from templates import network, security_groups, storage, webacl
from templates.aws_versions import SSL_POLICY
from templates.deployment import Deployment, ExistingCertificate, IssuedCertificate
from templates.shared import LayerOutput, new_template, suppress_in_packs, tags

LAYER = "edge"
LOAD_BALANCER_ARN = LayerOutput(LAYER, "LoadBalancerArn")
LOAD_BALANCER_FULL_NAME = LayerOutput(LAYER, "LoadBalancerFullName")
LOAD_BALANCER_DNS_NAME = LayerOutput(LAYER, "LoadBalancerDnsName")
HTTPS_LISTENER_ARN = LayerOutput(LAYER, "HttpsListenerArn")
ISSUED_CERTIFICATE_ARN = LayerOutput(LAYER, "IssuedCertificateArn")
"""Only where ACM issues it; the ARNs of other certificates are known without the layer, and may change."""

_TWO_YEARS = 2 * 365 * 24 * 3600
LOG_PREFIX = "load-balancer"


def build(deployment: Deployment) -> Template:
    """Return the template of the edge layer."""
    template = new_template(deployment, LAYER, "the HTTPS load balancer in front of Beanstalk")
    balancer = _add_load_balancer(template, deployment)
    certificate = _add_certificate(template, deployment)
    https = _add_listener(template, balancer, certificate)
    if deployment.edge.waf:
        webacl.add(template, deployment, LAYER, balancer)
    _add_record(template, deployment, balancer)
    template.add_output(
        [
            LOAD_BALANCER_ARN.output(deployment, Ref(balancer), "The load balancer that Beanstalk shares"),
            LOAD_BALANCER_FULL_NAME.output(
                deployment, GetAtt(balancer, "LoadBalancerFullName"), "Its name in CloudWatch"
            ),
            LOAD_BALANCER_DNS_NAME.output(deployment, GetAtt(balancer, "DNSName"), "Its address"),
            HTTPS_LISTENER_ARN.output(deployment, Ref(https), "The listener on port 443"),
        ]
    )
    if isinstance(deployment.domain, IssuedCertificate):
        template.add_output(
            ISSUED_CERTIFICATE_ARN.output(deployment, certificate, "The certificate that clients see")
        )
    return template


def _add_load_balancer(template: Template, deployment: Deployment) -> LoadBalancer:
    bucket = storage.LOG_BUCKET.imported(deployment)
    attributes = {
        "deletion_protection.enabled": str(deployment.edge.deletion_protection).lower(),
        "routing.http.drop_invalid_header_fields.enabled": "true",
        "routing.http.desync_mitigation_mode": "strictest",
        "routing.http2.enabled": "true",
        # The app tells how a visitor came: X-Amzn-Tls-Version, X-Amzn-Tls-Cipher-Suite.
        "routing.http.x_amzn_tls_version_and_cipher_suite.enabled": "true",
        "access_logs.s3.enabled": "true",
        "access_logs.s3.bucket": bucket,
        "access_logs.s3.prefix": LOG_PREFIX,
        "connection_logs.s3.enabled": "true",
        "connection_logs.s3.bucket": bucket,
        "connection_logs.s3.prefix": LOG_PREFIX,
    }
    balancer = template.add_resource(
        LoadBalancer(
            "LoadBalancer",
            # Beanstalk takes names that begin with awseb- for its own.
            Name=f"{deployment.name}-edge",
            Type="application",
            Scheme="internet-facing",
            IpAddressType="ipv4",
            Subnets=network.PUBLIC_SUBNETS.imported(deployment),
            SecurityGroups=[security_groups.LOAD_BALANCER_SECURITY_GROUP.imported(deployment)],
            LoadBalancerAttributes=[
                LoadBalancerAttributes(Key=key, Value=value) for key, value in attributes.items()
            ],
            Tags=tags(deployment, LAYER, "edge"),
        )
    )
    _excuse(deployment, balancer)
    return balancer


def _excuse(deployment: Deployment, balancer: LoadBalancer) -> None:
    """Say why a trial has less than the packs ask for; production can't leave either out."""
    if not deployment.edge.deletion_protection:
        gone = "A trial has to go when it is told to."
        suppress_in_packs(balancer, "ELBDeletionProtectionEnabled", gone, "HIPAA NIST")
    if not deployment.edge.waf:
        costs = "A trial without real visitors saves the web ACL's costs."
        suppress_in_packs(balancer, "ALBWAFEnabled", costs, "NIST PCI")


def _add_certificate(template: Template, deployment: Deployment) -> Ref | str:
    match deployment.domain:
        case IssuedCertificate(name=name, hosted_zone_id=zone):
            certificate = template.add_resource(
                IssuedByAcm(
                    "Certificate",
                    DomainName=name,
                    ValidationMethod="DNS",
                    DomainValidationOptions=[DomainValidationOption(DomainName=name, HostedZoneId=zone)],
                    Tags=tags(deployment, LAYER, "edge"),
                )
            )
            return Ref(certificate)
        case ExistingCertificate(certificate_arn=arn):
            return arn
        case _:
            return add_certificate_parameter(template)


def add_certificate_parameter(template: Template) -> Ref:
    """Add the parameter by which a self-signed certificate comes, and return what refers to it."""
    return Ref(
        template.add_parameter(
            Parameter(
                "CertificateArn",
                Type="String",
                Description="The certificate made for the trial and imported to ACM",
            )
        )
    )


def _add_listener(template: Template, balancer: LoadBalancer, certificate: Ref | str) -> Listener:
    """Add the one listener: nothing listens on port 80. What no rule of Beanstalk's matches gets a 404."""
    attributes = {
        "routing.http.response.strict_transport_security.header_value": f"max-age={_TWO_YEARS}",
        "routing.http.response.x_content_type_options.header_value": "nosniff",
        "routing.http.response.server.enabled": "false",
    }
    return template.add_resource(
        Listener(
            "HttpsListener",
            LoadBalancerArn=Ref(balancer),
            Port=443,
            Protocol="HTTPS",
            SslPolicy=SSL_POLICY.use,
            Certificates=[Certificate(CertificateArn=certificate)],
            ListenerAttributes=[ListenerAttribute(Key=key, Value=value) for key, value in attributes.items()],
            DefaultActions=[
                Action(
                    Type="fixed-response",
                    FixedResponseConfig=FixedResponseConfig(
                        StatusCode="404", ContentType="text/plain", MessageBody="Not found"
                    ),
                )
            ],
        )
    )


def _add_record(template: Template, deployment: Deployment, balancer: LoadBalancer) -> None:
    zone = getattr(deployment.domain, "hosted_zone_id", None)
    if zone is None:
        return
    template.add_resource(
        RecordSetType(
            "Record",
            HostedZoneId=zone,
            Name=deployment.domain.name,
            Type="A",
            AliasTarget=AliasTarget(
                DNSName=Sub(f"dualstack.${{{balancer.title}.DNSName}}"),
                HostedZoneId=GetAtt(balancer, "CanonicalHostedZoneID"),
                EvaluateTargetHealth=True,
            ),
        )
    )
