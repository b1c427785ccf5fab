"""Every ARN that a template builds. Values in `${…}` are resolved by CloudFormation."""

from troposphere import AWSHelperFn, Sub

BEANSTALK_BUCKET = "elasticbeanstalk-${AWS::Region}-${AWS::AccountId}"
"""The name of Beanstalk's own bucket, one per account and region."""

# Secrets Manager puts a hyphen and six characters behind a secret's name. Question marks instead of a star,
# so that `app/database` is not also `app/database-of-another-team`.
_RANDOM_SUFFIX = "-??????"


def _regional(service: str, resource: str, **values: AWSHelperFn) -> Sub:
    return Sub(f"arn:${{AWS::Partition}}:{service}:${{AWS::Region}}:${{AWS::AccountId}}:{resource}", **values)


def secret(name: str) -> Sub:
    """Return the ARN of the one secret of that name, whatever its six random characters."""
    return _regional("secretsmanager", f"secret:{name}{_RANDOM_SUFFIX}")


def secrets_below(prefix: str) -> Sub:
    """Return the ARNs of all secrets below a prefix."""
    return _regional("secretsmanager", f"secret:{prefix}/*")


def function(name: str) -> Sub:
    """Return the ARN of a Lambda function."""
    return _regional("lambda", f"function:{name}")


def rule(name: str, *, bus: str | None = None) -> Sub:
    """Return the ARN of an EventBridge rule, on the default bus or on *bus*; *name* can be a pattern."""
    return _regional("events", f"rule/{bus}/{name}" if bus else f"rule/{name}")


def log_group(name: str, **values: AWSHelperFn) -> Sub:
    """Return the ARN of a log group, or of all that match a pattern."""
    return _regional("logs", f"log-group:{name}", **values)


def log_streams(group: str) -> Sub:
    """Return the ARN of the log streams of a group."""
    return _regional("logs", f"log-group:{group}:*")


def alarms() -> Sub:
    """Return the ARNs of all alarms."""
    return _regional("cloudwatch", "alarm:*")


def database_resources() -> Sub:
    """Return the ARNs of everything in RDS that reports events."""
    return _regional("rds", "*")


def database(identifier: str) -> Sub:
    """Return the ARN of a DB instance."""
    return _regional("rds", f"db:{identifier}")


def database_user(user: str, resource_id: AWSHelperFn) -> Sub:
    """Return the ARN that `rds-db:connect` takes: a user of the database with this resource id."""
    return _regional("rds-db", f"dbuser:${{Database}}/{user}", Database=resource_id)


def keys() -> Sub:
    """Return the ARNs of all KMS keys of the account."""
    return _regional("kms", "key/*")


def instances() -> Sub:
    """Return the ARNs of all EC2 instances."""
    return _regional("ec2", "instance/*")


def volume(volume_id: str) -> Sub:
    """Return the ARN of an EBS volume."""
    return _regional("ec2", f"volume/{volume_id}")


def security_group(group_id: str) -> Sub:
    """Return the ARN of a security group."""
    return _regional("ec2", f"security-group/{group_id}")


def load_balancers() -> Sub:
    """Return the ARNs of all load balancers."""
    return _regional("elasticloadbalancing", "loadbalancer/*")


def parameter(name: str) -> Sub:
    """Return the ARN of an SSM parameter whose name begins with a slash."""
    return _regional("ssm", f"parameter{name}")


def application(name: str) -> Sub:
    """Return the ARN of a Beanstalk application."""
    return _regional("elasticbeanstalk", f"application/{name}")


def environment(application_name: str, name: str) -> Sub:
    """Return the ARN of a Beanstalk environment."""
    return _regional("elasticbeanstalk", f"environment/{application_name}/{name}")


def bucket(name: str) -> Sub:
    """Return the ARN of a bucket."""
    return Sub(f"arn:${{AWS::Partition}}:s3:::{name}")


def objects(bucket_name: str, key: str = "*") -> Sub:
    """Return the ARN of the objects of a bucket whose keys match a pattern."""
    return Sub(f"arn:${{AWS::Partition}}:s3:::{bucket_name}/{key}")


def hosted_zone(zone_id: str) -> Sub:
    """Return the ARN of a hosted zone of Route 53."""
    return Sub(f"arn:${{AWS::Partition}}:route53:::hostedzone/{zone_id}")


def role(name: str) -> Sub:
    """Return the ARN of a role of the account, or of all that match a pattern."""
    return Sub(f"arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:role/{name}")


def account_root() -> Sub:
    """Return the principal that stands for the whole account."""
    return Sub("arn:${AWS::Partition}:iam::${AWS::AccountId}:root")


def aws_policy(name: str) -> Sub:
    """Return the ARN of a policy that AWS manages."""
    return Sub(f"arn:${{AWS::Partition}}:iam::aws:policy/{name}")
