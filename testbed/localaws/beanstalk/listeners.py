"""An environment's listener rule and target group in Elastic Load Balancing, and its certificate in ACM."""

from __future__ import annotations

import contextlib
from typing import Any

from botocore.exceptions import ClientError
from moto.acm.models import AWS_ROOT_CA, acm_backends

from ..moto_client import client
from .balancer import Frontend, Tls
from .bundle import Options
from .instance import PROCESS
from .state import ENVIRONMENT, SHARED, Environment

COUNT_TAG = "elasticbeanstalk:shared-elb-environment-count"
_RESPONSE = "routing.http.response."
_TLS_HEADERS_ATTRIBUTE = "routing.http.x_amzn_tls_version_and_cipher_suite.enabled"


def shared_load_balancer(options: Options) -> str | None:
    """Return the ARN of the shared load balancer, if the environment uses one."""
    return options.get(SHARED) if options.get((ENVIRONMENT, "LoadBalancerIsShared")) == "true" else None


def _rules(options: Options, cname: str, made: str) -> list[list[str]]:
    """Return the host names of each listener rule: `default` matches the CNAME, others their own names.

    Whether Beanstalk makes all of them when the API names several is documented nowhere, so a test can have
    it make the `default` one only (*made*).
    """
    named = [rule.strip() for rule in options.get(("aws:elbv2:listener:443", "Rules"), "default").split(",")]
    hosts = {
        rule: [cname] if rule == "default" else options.get((f"aws:elbv2:listenerrule:{rule}", "HostHeaders"))
        for rule in named
        if made == "all" or rule == made
    }
    return [
        value if isinstance(value, list) else [host.strip() for host in value.split(",") if host.strip()]
        for value in hosts.values()
        if value
    ]


def _tls(arn: str, policy: str, account: str) -> Tls:
    """Return certificate and key from ACM's backend: ACM's API returns no key of an imported certificate."""
    bundle = acm_backends[account][arn.split(":")[3]].get_certificate(arn)
    chain = bundle.chain.replace(AWS_ROOT_CA, b"")
    return Tls(certificate=bundle.cert.strip() + b"\n" + chain.strip() + b"\n", key=bundle.key, policy=policy)


def frontend(
    environment: Environment, options: Options, *, secure_targets: bool, rules: str = "all"
) -> Frontend:
    """Return an environment's load balancer, from its options and the shared listener."""
    number = 443 if secure_targets else 80
    slots = (environment.slots[0][number], environment.slots[1][number])
    load_balancer = shared_load_balancer(options)
    if load_balancer is None:
        own = "aws:elbv2:listener:443"
        certificate = options.get((own, "SSLCertificateArns"))
        tls = (
            _tls(certificate, options.get((own, "SSLPolicy"), ""), environment.account)
            if certificate
            else None
        )
        return Frontend(environment.id, environment.port, slots, secure_targets, tls)
    elb = client("elbv2", environment.region, environment.account)
    listeners = {
        each["Port"]: each for each in elb.describe_listeners(LoadBalancerArn=load_balancer)["Listeners"]
    }
    listener = listeners.get(443) or listeners[80]
    tls = None
    if 443 in listeners:
        certificate = listener["Certificates"][0]["CertificateArn"]
        tls = _tls(certificate, listener.get("SslPolicy") or "", environment.account)
    attributes = elb.describe_listener_attributes(ListenerArn=listener["ListenerArn"])["Attributes"]
    settings = elb.describe_load_balancer_attributes(LoadBalancerArn=load_balancer)["Attributes"]
    default = listener["DefaultActions"][0]
    plain = listeners.get(80, {}).get("DefaultActions", [{}])[0]
    return Frontend(
        environment.id,
        environment.port,
        slots,
        secure_targets,
        tls,
        hosts=("localhost", "127.0.0.1", *_own_hosts(options, environment.cname, rules)),
        default_status=default.get("FixedResponseConfig", {}).get("StatusCode", "503"),
        redirect_http=plain.get("Type") == "redirect",
        headers={
            each["Key"].removeprefix(_RESPONSE).removesuffix(".header_value").replace("_", "-"): each["Value"]
            for each in attributes
            if each["Key"].startswith(_RESPONSE) and each["Key"].endswith(".header_value") and each["Value"]
        },
        adds_tls_headers={"Key": _TLS_HEADERS_ATTRIBUTE, "Value": "true"} in settings,
    )


def _own_hosts(options: Options, cname: str, made: str) -> list[str]:
    return [host for hosts in _rules(options, cname, made) for host in hosts if host != cname]


def attach(environment: Environment, options: Options, made: str = "all") -> None:
    """Create target group and listener rules on a shared load balancer, unless they exist."""
    load_balancer = shared_load_balancer(options)
    if load_balancer is None or environment.rules:
        return
    elb = client("elbv2", environment.region, environment.account)
    vpc = elb.describe_load_balancers(LoadBalancerArns=[load_balancer])["LoadBalancers"][0]["VpcId"]
    listeners: list[dict[str, Any]] = elb.describe_listeners(LoadBalancerArn=load_balancer)["Listeners"]
    listener = max(listeners, key=lambda each: each["Port"] == 443)["ListenerArn"]
    group = elb.create_target_group(
        Name=f"awseb-{environment.id}",
        Protocol=options[PROCESS, "Protocol"],
        Port=int(options[PROCESS, "Port"]),
        VpcId=vpc,
        HealthCheckPath=options[PROCESS, "HealthCheckPath"],
        Matcher={"HttpCode": options[PROCESS, "MatcherHTTPCode"]},
    )
    environment.target_group = group["TargetGroups"][0]["TargetGroupArn"]
    taken = {rule["Priority"] for rule in elb.describe_rules(ListenerArn=listener)["Rules"]}
    free = (number for number in range(1, 50000) if str(number) not in taken)
    for hosts in _rules(options, environment.cname, made):
        rule = elb.create_rule(
            ListenerArn=listener,
            Priority=next(free),
            Conditions=[{"Field": "host-header", "HostHeaderConfig": {"Values": hosts}}],
            Actions=[{"Type": "forward", "TargetGroupArn": environment.target_group}],
        )
        environment.rules.append(rule["Rules"][0]["RuleArn"])
    _count(elb, load_balancer, 1)


def _count(elb: Any, load_balancer: str, change: int) -> None:
    """Note on the shared load balancer how many environments use it.

    https://docs.aws.amazon.com/elasticbeanstalk/latest/dg/environments-cfg-alb-shared.html
    """
    (described,) = elb.describe_tags(ResourceArns=[load_balancer])["TagDescriptions"]
    counted = {tag["Key"]: tag["Value"] for tag in described["Tags"]}.get(COUNT_TAG, "0")
    tags = [{"Key": COUNT_TAG, "Value": str(int(counted) + change)}]
    elb.add_tags(ResourceArns=[load_balancer], Tags=tags)


def detach(environment: Environment) -> None:
    elb = client("elbv2", environment.region, environment.account)
    with contextlib.suppress(ClientError):  # the load balancer may have been deleted before
        for rule in environment.rules:
            elb.delete_rule(RuleArn=rule)
        if environment.rules and (load_balancer := shared_load_balancer(environment.options)):
            _count(elb, load_balancer, -1)
        if environment.target_group:
            elb.delete_target_group(TargetGroupArn=environment.target_group)
    environment.rules, environment.target_group = [], None
