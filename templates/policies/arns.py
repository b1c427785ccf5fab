"""ARNs of things whose names are known when a template is rendered."""

from troposphere import Sub

# Secrets Manager puts a hyphen and six characters behind a secret's name. Question marks instead of a star,
# so that `app/database` is not also `app/database-of-another-team`.
_RANDOM_SUFFIX = "-??????"


def _arn(service: str, rest: str) -> Sub:
    return Sub(f"arn:${{AWS::Partition}}:{service}:${{AWS::Region}}:${{AWS::AccountId}}:{rest}")


def secret(name: str) -> Sub:
    """Return the ARN of the one secret of that name, whatever its six random characters."""
    return _arn("secretsmanager", f"secret:{name}{_RANDOM_SUFFIX}")


def secrets_below(prefix: str) -> Sub:
    """Return the ARNs of all secrets below a prefix."""
    return _arn("secretsmanager", f"secret:{prefix}/*")


def function(name: str) -> Sub:
    """Return the ARN of a Lambda function."""
    return _arn("lambda", f"function:{name}")


def rule(name: str, *, bus: str | None = None) -> Sub:
    """Return the ARN of an EventBridge rule, on the default bus or on *bus*."""
    return _arn("events", f"rule/{bus}/{name}" if bus else f"rule/{name}")


def log_group(name: str) -> Sub:
    """Return the ARN of the log streams of a group."""
    return _arn("logs", f"log-group:{name}:*")


def database_user(resource_id: str, user: str) -> Sub:
    """Return the ARN that `rds-db:connect` wants; *resource_id* may be a `${Variable}` of the Sub."""
    return _arn("rds-db", f"dbuser:{resource_id}/{user}")
