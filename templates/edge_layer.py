"""The edge layer: the HTTPS load balancer that Beanstalk shares, its certificate, web ACL and name."""

from troposphere import GetAtt, Parameter, Ref, Sub, Template
from troposphere.certificatemanager import Certificate as IssuedByAcm
from troposphere.certificatemanager import DomainValidationOption
from troposphere.elasticloadbalancingv2 import LoadBalancer
from troposphere.route53 import AliasTarget, RecordSetType

from templates.deployment import Deployment
from templates.deployment_sections import ExistingCertificate, IssuedCertificate
from templates.layer_outputs import LayerOutput
from templates.load_balancer import add_https_listener, add_load_balancer
from templates.rendering import new_template
from templates.resource_tags import tags
from templates.web_acl import add_web_acl

LAYER = "edge"
LOAD_BALANCER_ARN = LayerOutput(LAYER, "LoadBalancerArn")
LOAD_BALANCER_FULL_NAME = LayerOutput(LAYER, "LoadBalancerFullName")
LOAD_BALANCER_DNS_NAME = LayerOutput(LAYER, "LoadBalancerDnsName")
HTTPS_LISTENER_ARN = LayerOutput(LAYER, "HttpsListenerArn")
ISSUED_CERTIFICATE_ARN = LayerOutput(LAYER, "IssuedCertificateArn")
"""Only where ACM issues it. The ARNs of other certificates are known without the layer, and can change."""


def build(deployment: Deployment) -> Template:
    """Return the template of the edge layer."""
    template = new_template(deployment, LAYER, "the HTTPS load balancer in front of Beanstalk")
    balancer = add_load_balancer(template, deployment)
    certificate = _add_certificate(template, deployment)
    https = add_https_listener(template, balancer, certificate)
    if deployment.edge.waf:
        add_web_acl(template, deployment, LAYER, balancer)
    _add_record(template, deployment, balancer)
    template.add_output(
        [
            LOAD_BALANCER_ARN.output(deployment, Ref(balancer), "ARN of Beanstalk's shared load balancer"),
            LOAD_BALANCER_FULL_NAME.output(
                deployment,
                GetAtt(balancer, "LoadBalancerFullName"),
                "Name of the load balancer in CloudWatch",
            ),
            LOAD_BALANCER_DNS_NAME.output(
                deployment, GetAtt(balancer, "DNSName"), "DNS name of the load balancer"
            ),
            HTTPS_LISTENER_ARN.output(deployment, Ref(https), "ARN of the listener on port 443"),
        ]
    )
    if isinstance(deployment.domain, IssuedCertificate):
        template.add_output(
            ISSUED_CERTIFICATE_ARN.output(deployment, certificate, "ARN of the issued certificate")
        )
    return template


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
    """Add the parameter with the ARN of a self-signed certificate, and return its reference."""
    return Ref(
        template.add_parameter(
            Parameter(
                "CertificateArn",
                Type="String",
                Description="ARN of the self-signed certificate that was imported to ACM",
            )
        )
    )


def _add_record(template: Template, deployment: Deployment, balancer: LoadBalancer) -> None:
    zone = getattr(deployment.domain, "hosted_zone_id", None)
    if zone is None:
        return
    template.add_resource(
        RecordSetType(
            "DnsRecord",
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
