"""CloudFormation's names of the resource types that a deletion treats differently."""

BUCKET = "AWS::S3::Bucket"
DATABASE = "AWS::RDS::DBInstance"
HOSTED_ZONE = "AWS::Route53::HostedZone"
LOAD_BALANCER = "AWS::ElasticLoadBalancingV2::LoadBalancer"
SECURITY_GROUP = "AWS::EC2::SecurityGroup"
VOLUME = "AWS::EC2::Volume"

WITH_SNAPSHOTS = frozenset({DATABASE, VOLUME})
"""Their data is kept as snapshots."""
