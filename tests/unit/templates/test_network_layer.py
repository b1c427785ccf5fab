"""Story of templates/network_layer.py and templates/vault_connectivity.py.

`templates.network_layer` and `vault_connectivity`, as rendered: subnets, routes, endpoints, flow log.
"""

import json
from collections.abc import Iterator

import pytest

from templates.deployment_file import parse
from templates.deployment_values import Range
from templates.network_layer import FIRST_ZONE, build
from tests.unit.templates.renders import CONFIGURATIONS, deployment, layers, resolve, resource, resources

WORLD = "0.0.0.0/0"


def _routes(configuration: str) -> Iterator[tuple[str, str, dict[str, object]]]:
    """Yield (table, destination, route)."""
    for layer, _, route in resources(configuration, "AWS::EC2::Route"):
        known = resolve(route, configuration, layer)
        yield known["RouteTableId"], known["DestinationCidrBlock"], known


def _table_of(configuration: str, subnet: str) -> str:
    for layer, _, entry in resources(configuration, "AWS::EC2::SubnetRouteTableAssociation"):
        known = resolve(entry, configuration, layer)
        if known["SubnetId"] == subnet:
            return str(known["RouteTableId"])
    raise LookupError(subnet)


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_no_subnet_assigns_public_addresses(configuration: str) -> None:
    """EC2.15, for every subnet: three kinds, one of each per zone."""
    subnets = list(resources(configuration, "AWS::EC2::Subnet"))
    assert len(subnets) == 3 * deployment(configuration).network.availability_zones
    assert [subnet["MapPublicIpOnLaunch"] for _, _, subnet in subnets] == [False] * len(subnets)


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_zones_are_parameters_and_the_vault_host_is_in_the_first_subnets_zone(configuration: str) -> None:
    """The order of `Fn::GetAZs` is no promise, and another zone would replace subnets."""
    assert "Fn::GetAZs" not in json.dumps(layers(configuration))
    for _, name, subnet in resources(configuration, "AWS::EC2::Subnet"):
        index = name.removesuffix("Subnet")[-1]
        assert subnet["AvailabilityZone"] == {"Ref": f"AvailabilityZone{index}"}
    for _, _, volume in resources(configuration, "AWS::EC2::Volume"):
        assert volume["AvailabilityZone"] == FIRST_ZONE.imported(deployment(configuration)).to_dict()
    assert layers(configuration)["network"]["Outputs"]["FirstZone"]["Value"] == {"Ref": "AvailabilityZone0"}


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_the_database_has_no_route_out(configuration: str) -> None:
    """RDS.46: its table has only the VPC's local route; the public table is the negative control."""
    tables = {table for table, _, _ in _routes(configuration)}
    zones = range(deployment(configuration).network.availability_zones)
    assert {_table_of(configuration, f"Database{zone}Subnet") for zone in zones} == {"DatabaseRouteTable"}
    assert "DatabaseRouteTable" not in tables
    assert "PublicRouteTable" in tables


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_applications_leave_through_nat_of_their_own_zone(configuration: str) -> None:
    """Or through the only one, where the file sets a single gateway."""
    network = deployment(configuration).network
    gateways = []
    for zone in range(network.availability_zones):
        table = _table_of(configuration, f"App{zone}Subnet")
        ways = [route for name, target, route in _routes(configuration) if (name, target) == (table, WORLD)]
        assert len(ways) == 1
        gateways.append(ways[0]["NatGatewayId"])
        assert "GatewayId" not in ways[0]
    assert len(set(gateways)) == (1 if network.nat == "single" else network.availability_zones)
    for gateway in set(gateways):
        assert str(resource(configuration, "network", str(gateway))["SubnetId"]["Ref"]).startswith("Public")


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_endpoints_are_for_principals_of_the_account(configuration: str) -> None:
    """S3's always, the others by the file; only S3's admits other principals, for what AWS publishes."""
    found = {}
    for layer, name, endpoint in resources(configuration, "AWS::EC2::VPCEndpoint"):
        statements = resolve(endpoint["PolicyDocument"]["Statement"], configuration, layer)
        found[endpoint["ServiceName"].rsplit(".", 1)[1]] = statements
        own, *others = statements
        assert own["Condition"] == {"StringEquals": {"aws:PrincipalAccount": "123456789012"}}
        if endpoint["VpcEndpointType"] == "Interface":
            assert not others, name
            assert endpoint["PrivateDnsEnabled"]
        for statement in others:
            assert statement["Action"] in (["s3:GetObject"], ["s3:PutObject"])
            assert "*" not in statement["Resource"]
    assert set(found) == {"s3", *deployment(configuration).network.endpoints}


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_s3_is_reached_from_every_private_subnet(configuration: str) -> None:
    """Its gateway is in the tables of applications and database."""
    tables = resolve(
        resource(configuration, "network", "S3Endpoint")["RouteTableIds"], configuration, "network"
    )
    zones = deployment(configuration).network.availability_zones
    assert set(tables) == {"DatabaseRouteTable", *(f"App{zone}RouteTable" for zone in range(zones))}


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_all_traffic_is_logged_and_the_log_is_encrypted(configuration: str) -> None:
    """EC2.6, with a role that writes this one group."""
    log = resource(configuration, "network", "FlowLog")
    assert (log["TrafficType"], log["ResourceType"]) == ("ALL", "VPC")
    assert "KmsKeyId" in resource(configuration, "network", "FlowLogGroup")
    policy = resource(configuration, "network", "FlowLogRoleAllow")["PolicyDocument"]["Statement"]
    assert [statement["Resource"] for statement in policy] == [[{"Fn::GetAtt": ["FlowLogGroup", "Arn"]}]]


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_the_default_group_is_closed_by_a_role_for_this_one_group(configuration: str) -> None:
    """EC2.2: the function can revoke rules of this VPC's default group, and add none."""
    statements = resource(configuration, "network", "NetworkSetupRoleAllow")["PolicyDocument"]["Statement"]
    changing = [s for s in statements if not all(":Describe" in a or "logs:" in a for a in s["Action"])]
    (statement,) = resolve(changing, configuration, "network")
    assert statement["Action"] == ["ec2:RevokeSecurityGroupEgress", "ec2:RevokeSecurityGroupIngress"]
    assert statement["Resource"] == [
        "arn:aws:ec2:eu-central-1:123456789012:security-group/Vpc.DefaultSecurityGroup"
    ]


@pytest.mark.parametrize(
    ("asn", "property_"),
    [
        (65000, "BgpAsn"),
        (2_147_483_647, "BgpAsn"),
        (2_147_483_648, "BgpAsnExtended"),
        (4_294_967_294, "BgpAsnExtended"),
    ],
)
def test_a_large_autonomous_system_has_a_property_of_its_own(asn: int, property_: str) -> None:
    """EC2 refuses it as `BgpAsn`; the limits are those of CloudFormation's schema."""
    vault = {
        "where": "vpn",
        "cidrs": ["10.90.0.0/24"],
        "gateway_address": "9.9.9.9",
        "gateway_asn": asn,
    }
    template = build(parse({"name": "unit", "region": "eu-central-1", "vault": vault}))
    gateway = json.loads(template.to_json())["Resources"]["VaultCustomerGateway"]["Properties"]
    assert {name: gateway[name] for name in gateway if name.startswith("BgpAsn")} == {property_: asn}


@pytest.mark.parametrize(
    ("configuration", "attribute", "target"),
    [
        ("production", "TransitGatewayId", "tgw-0123456789abcdef0"),
        ("otherwise", "VpcPeeringConnectionId", "VaultPeeringConnection"),
        ("vpn", "GatewayId", "VaultVpnGateway"),
        ("outside", None, None),
        ("everything", None, None),
    ],
)
def test_only_vaults_ranges_are_routed_to_vault(
    configuration: str, attribute: str | None, target: str | None
) -> None:
    """From every application subnet, and from no other; a Vault outside or within needs no route."""
    vault = deployment(configuration).vault
    expected = set()
    if attribute:
        zones = range(deployment(configuration).network.availability_zones)
        expected = {
            (f"App{zone}RouteTable", str(cidr)) for zone in zones for cidr in getattr(vault, "cidrs", ())
        }
    found = {
        (table, destination): route
        for table, destination, route in _routes(configuration)
        if destination != WORLD
    }
    assert set(found) == expected
    assert all(route[str(attribute)] == target for route in found.values())
    assert not any(Range(destination).prefixlen < 8 for _, destination in found)
