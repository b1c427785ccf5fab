"""The load balancer in the edge layer: its attributes, and the HTTPS listener with its TLS policy."""

from troposphere import Ref, Template
from troposphere.elasticloadbalancingv2 import (
    Action,
    Certificate,
    FixedResponseConfig,
    Listener,
    ListenerAttribute,
    LoadBalancer,
    LoadBalancerAttributes,
)

from templates import network_layer, security_groups, storage_layer
from templates.aws_versions import LOAD_BALANCER_TLS_POLICY
from templates.deployment import Deployment
from templates.suppressions import suppress_in_packs

_TWO_YEARS = 2 * 365 * 24 * 3600


def add_load_balancer(template: Template, deployment: Deployment) -> LoadBalancer:
    """Add the load balancer that Beanstalk shares, with its access and connection logs."""
    bucket = storage_layer.LOG_BUCKET.imported(deployment)
    attributes = {
        "deletion_protection.enabled": str(deployment.edge.deletion_protection).lower(),
        "routing.http.drop_invalid_header_fields.enabled": "true",
        "routing.http.desync_mitigation_mode": "strictest",
        "routing.http2.enabled": "true",
        # The default, written down: the app's time-outs are shorter, the deregistration delay is not.
        "idle_timeout.timeout_seconds": "60",
        # Headers for the app: X-Amzn-Tls-Version, X-Amzn-Tls-Cipher-Suite.
        "routing.http.x_amzn_tls_version_and_cipher_suite.enabled": "true",
        "access_logs.s3.enabled": "true",
        "access_logs.s3.bucket": bucket,
        "access_logs.s3.prefix": storage_layer.BALANCER_LOG_PREFIX,
        "connection_logs.s3.enabled": "true",
        "connection_logs.s3.bucket": bucket,
        "connection_logs.s3.prefix": storage_layer.BALANCER_LOG_PREFIX,
    }
    balancer = template.add_resource(
        LoadBalancer(
            "LoadBalancer",
            # Beanstalk treats names that begin with awseb- as its own.
            Name=f"{deployment.name}-edge",
            Type="application",
            Scheme="internet-facing",
            IpAddressType="ipv4",
            Subnets=network_layer.PUBLIC_SUBNETS.imported(deployment),
            SecurityGroups=[security_groups.LOAD_BALANCER_SECURITY_GROUP.imported(deployment)],
            LoadBalancerAttributes=[
                LoadBalancerAttributes(Key=key, Value=value) for key, value in attributes.items()
            ],
            # No Tags: the stack's own are passed on to it. Beanstalk counts its environments in a tag here,
            # and reverting drift takes away what a template's tags don't have.
        )
    )
    _suppress_for_trial(deployment, balancer)
    return balancer


def _suppress_for_trial(deployment: Deployment, balancer: LoadBalancer) -> None:
    """Suppress what the compliance packs require and a trial can turn off; production cannot."""
    if not deployment.edge.deletion_protection:
        deletable = "A trial has to be deletable with one command."
        suppress_in_packs(balancer, "ELBDeletionProtectionEnabled", deletable, "HIPAA NIST")
    if not deployment.edge.waf:
        no_clients = "A trial without real clients saves the cost of a web ACL."
        suppress_in_packs(balancer, "ALBWAFEnabled", no_clients, "NIST PCI")


def add_https_listener(template: Template, balancer: LoadBalancer, certificate: Ref | str) -> Listener:
    """Add the only listener, HTTPS on port 443. Requests that no rule of Beanstalk's matches receive 404."""
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
            SslPolicy=LOAD_BALANCER_TLS_POLICY.in_use,
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
