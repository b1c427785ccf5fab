"""`templates.security_groups`: which connections are open, computed from the rendered rules."""

import copy
from typing import Any

import pytest

from templates.deployment_sections import VaultHost
from tests.unit.templates.renders import CONFIGURATIONS, deployment, layers, resolve, resource, resources
from tests.unit.templates.security_group_graph import OpenConnection, connections

WORLD = "0.0.0.0/0"
BALANCER, INSTANCE = "LoadBalancerSecurityGroup", "InstanceSecurityGroup"
FUNCTION, BOOTSTRAP = "FunctionSecurityGroup", "BootstrapSecurityGroup"
DATABASE, PROXY = "DatabaseSecurityGroup", "ProxySecurityGroup"
ENDPOINT, VAULT = "EndpointSecurityGroup", "VaultSecurityGroup"


@pytest.fixture(params=CONFIGURATIONS)
def configuration(request: pytest.FixtureRequest) -> str:
    """One of all configurations."""
    name: str = request.param
    return name


def _graph(configuration: str) -> frozenset[OpenConnection]:
    return connections(layers(configuration), configuration)


def test_from_the_internet_only_https_of_the_load_balancer(configuration: str) -> None:
    """No other group has a rule for addresses outside the VPC."""
    arriving = {c for c in _graph(configuration) if not c.source.endswith("SecurityGroup")}
    assert arriving == {OpenConnection(WORLD, BALANCER, 443)}


def test_the_load_balancer_reaches_the_instances_over_tls_only(configuration: str) -> None:
    """It has no other egress, not even to the internet."""
    assert {c for c in _graph(configuration) if c.source == BALANCER} == {
        OpenConnection(BALANCER, INSTANCE, 443)
    }


def test_only_clients_of_the_database_reach_it(configuration: str) -> None:
    """The instances or, in their place, the proxy; and the bootstrap."""
    settings = deployment(configuration)
    client = PROXY if settings.database.mode == "proxy" else INSTANCE
    port = settings.database.port
    expected = {OpenConnection(client, DATABASE, port), OpenConnection(BOOTSTRAP, DATABASE, port)}
    if client == PROXY:
        assert {c for c in _graph(configuration) if c.target == PROXY} == {
            OpenConnection(INSTANCE, PROXY, 3306)
        }
    assert {c for c in _graph(configuration) if c.target == DATABASE} == expected


def test_the_database_reaches_nothing(configuration: str) -> None:
    """It accepts connections and opens none."""
    assert not {c for c in _graph(configuration) if c.source == DATABASE}


def test_the_function_reaches_vault_and_aws_only(configuration: str) -> None:
    """Vault's addresses on Vault's port, the endpoints, and AWS through NAT where endpoints are missing."""
    vault = deployment(configuration).vault
    places = [VAULT] if isinstance(vault, VaultHost) else [str(cidr) for cidr in vault.cidrs]
    allowed = {OpenConnection(FUNCTION, place, vault.port) for place in places}
    found = {c for c in _graph(configuration) if c.source == FUNCTION}
    assert allowed <= found
    assert found - allowed <= {OpenConnection(FUNCTION, ENDPOINT, 443), OpenConnection(FUNCTION, WORLD, 443)}
    assert found != allowed, "the function can't reach AWS"


def test_the_instances_reach_database_and_aws_only(configuration: str) -> None:
    """Their only other egress is HTTPS."""
    found = {c for c in _graph(configuration) if c.source == INSTANCE}
    others = {(c.target, c.port) for c in found if c.target not in {DATABASE, PROXY}}
    assert others <= {(ENDPOINT, 443), (WORLD, 443)}


def test_only_the_function_reaches_the_vault_host() -> None:
    """Not the instances, and no SSH."""
    host = deployment("everything").vault
    assert isinstance(host, VaultHost)
    reaching = {c for c in _graph("everything") if c.target == VAULT}
    assert reaching == {OpenConnection(FUNCTION, VAULT, host.port)}


def test_every_resource_has_the_group_that_the_rules_name(configuration: str) -> None:
    """Rules of an unused group would prove nothing."""
    balancer = resource(configuration, "edge", "LoadBalancer")["SecurityGroups"]
    assert resolve(balancer, configuration, "edge") == [BALANCER]
    function = resource(configuration, "replicator", "Function")["VpcConfig"]["SecurityGroupIds"]
    assert resolve(function, configuration, "replicator") == [FUNCTION]
    settings = {
        (s["Namespace"], s["OptionName"]): s["Value"]
        for s in resource(configuration, "environment", "Environment")["OptionSettings"]
    }
    instances = settings["aws:autoscaling:launchconfiguration", "SecurityGroups"]
    assert resolve(instances, configuration, "environment") == INSTANCE
    shared = settings["aws:elbv2:loadbalancer", "SecurityGroups"]
    assert resolve(shared, configuration, "environment") == BALANCER
    for layer, _, database in resources(configuration, "AWS::RDS::DBInstance"):
        assert resolve(database["VPCSecurityGroups"], configuration, layer) == [DATABASE]


def test_the_listener_is_behind_the_only_open_port(configuration: str) -> None:
    """Port 443, HTTPS; no listener on port 80, not even to redirect."""
    listeners = list(resources(configuration, "AWS::ElasticLoadBalancingV2::Listener"))
    assert [(listener["Port"], listener["Protocol"]) for _, _, listener in listeners] == [(443, "HTTPS")]


@pytest.mark.parametrize(
    ("kind", "rule"),
    [
        ("Ingress", {"GroupId": DATABASE, "CidrIp": WORLD}),
        ("Ingress", {"GroupId": INSTANCE, "CidrIp": "203.0.113.0/24"}),
    ],
)
def test_an_extra_rule_shows_in_the_graph(kind: str, rule: dict[str, str]) -> None:
    """A negative control: the graph is computed from the rules, so one more rule is one more connection."""
    changed: dict[str, Any] = copy.deepcopy(dict(layers("dev")))
    ports = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22}
    extra = {"Type": f"AWS::EC2::SecurityGroup{kind}", "Properties": rule | ports}
    changed["network"]["Resources"]["Extra"] = extra
    added = connections(changed, "dev") - _graph("dev")
    assert added == {OpenConnection(rule["CidrIp"], rule["GroupId"], 22)}


def test_a_rule_on_one_side_only_connects_nothing() -> None:
    """A negative control: without the target's ingress rule there is no connection."""
    changed: dict[str, Any] = copy.deepcopy(dict(layers("dev")))
    del changed["network"]["Resources"]["LoadBalancerToInstanceIngress"]
    assert _graph("dev") - connections(changed, "dev") == {OpenConnection(BALANCER, INSTANCE, 443)}
