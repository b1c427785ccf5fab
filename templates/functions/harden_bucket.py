"""Protects a deployment's objects in Beanstalk's bucket, and changes nothing of the bucket's other users.

Beanstalk has one bucket for an account and region. Beanstalk writes statements into its policy itself, and
others can have statements and lifecycle rules there. Both calls replace the whole, so what is there is read,
ours are added or taken away by Sid and by id, and the rest is put back as it was.

Runs inline in Lambda as a custom resource whose deletion is the undo, and in `beanvault deploy
--revert-drift`. Properties: `Bucket`, `Partition`, `Deployment` (its name), `Application` (its name),
`KeepDays` (of old versions) and `BucketIs`: `shared` (older than the deployment), or `retained` or `deleted`
with the stack that created it.
"""

import json
import re
import time
import urllib.request
from typing import Any

import boto3
from botocore.exceptions import ClientError

DELETED = re.compile(r"A[A-Z]{3}[A-Z0-9]{12,}")
"""A role or user that was deleted: policies show its id (`AROA…`), and S3 takes no policy with one.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
"""


def prefixes(properties: dict[str, Any]) -> list[str]:
    """Return where the deployment's objects are: versions of the app, and uploads."""
    return [f"{properties['Application']}/", f".beanvault/{properties['Deployment']}/"]


def statements(properties: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the deployment's statements: TLS only for its objects, or for all of its own bucket."""
    bucket = f"arn:{properties['Partition']}:s3:::{properties['Bucket']}"
    name, own = properties["Deployment"], properties["BucketIs"] != "shared"
    denied = {"Effect": "Deny", "Principal": "*"}
    found: list[dict[str, Any]] = [
        {
            "Sid": f"DenyInsecureTransport-{name}",
            **denied,
            "Action": "s3:*",
            "Resource": [bucket, f"{bucket}/*"]
            if own
            else [f"{bucket}/{prefix}*" for prefix in prefixes(properties)],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    ]
    if own:
        deletion = {"Action": "s3:DeleteBucket", "Resource": bucket}
        found.append({"Sid": f"DenyBucketDeletion-{name}", **denied, **deletion})
    return found


def listed(value: Any) -> list[Any]:
    """Return one value or several as a list; a policy has either."""
    return value if isinstance(value, list) else [value]


def deleted_principals(policy: dict[str, Any]) -> list[str]:
    """Return the ids of deleted roles and users that the policy names."""
    elements = [
        each.get(key) for each in listed(policy["Statement"]) for key in ("Principal", "NotPrincipal")
    ]
    named = [
        one for element in elements if isinstance(element, dict) for one in listed(element.get("AWS", []))
    ]
    return sorted({one for one in named if DELETED.fullmatch(one)})


def without_deleted(policy: dict[str, Any]) -> dict[str, Any]:
    """Return the policy without deleted principals; a statement without other principals is left out.

    Neither an `Allow` nor a `Deny` for a deleted principal has an effect. `NotPrincipal` is for everybody
    else, so that taking its last name away would change whom the statement is for.
    """
    kept = []
    for statement in listed(policy["Statement"]):
        if deleted_principals({"Statement": [{"Principal": statement.get("NotPrincipal")}]}):
            sid = statement.get("Sid", "without a Sid")
            raise ValueError(
                f"the bucket's policy has NotPrincipal with a deleted role (statement {sid}); name an "
                "existing one there, because S3 takes no change of the policy before"
            )
        principal = statement.get("Principal")
        if isinstance(principal, dict) and deleted_principals({"Statement": statement}):
            living = [one for one in listed(principal["AWS"]) if not DELETED.fullmatch(one)]
            others = {kind: names for kind, names in principal.items() if kind != "AWS"}
            if not living and not others:
                continue
            statement = {**statement, "Principal": {**others, **({"AWS": living} if living else {})}}
        kept.append(statement)
    return {**policy, "Statement": kept}


def is_ours(statement: dict[str, Any], name: str) -> bool:
    """Whether a statement is of the deployment *name*; another's name may begin the same."""
    return statement.get("Sid") in (f"DenyInsecureTransport-{name}", f"DenyBucketDeletion-{name}")


def policy_of(s3: Any, bucket: str) -> dict[str, Any]:
    """Return a bucket's policy; one without statements where it has none."""
    try:
        policy: dict[str, Any] = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchBucketPolicy":
            raise
        return {"Version": "2012-10-17", "Statement": []}
    return policy


def change_policy(s3: Any, bucket: str, name: str, wanted: list[dict[str, Any]]) -> list[str]:
    """Bring the deployment's statements to *wanted*; return deleted principals that had to be left out."""
    policy = policy_of(s3, bucket)
    found = listed(policy["Statement"])
    if [each for each in found if is_ours(each, name)] == wanted:
        return []
    changed = {**policy, "Statement": [each for each in found if not is_ours(each, name)] + wanted}
    try:
        put_policy(s3, bucket, changed)
    except ClientError as error:
        deleted = deleted_principals(changed)
        if error.response["Error"]["Code"] != "MalformedPolicy" or not deleted:
            raise
        put_policy(s3, bucket, without_deleted(changed))
        print(f"{bucket}: left out deleted principals, which S3 takes in no policy: {', '.join(deleted)}")
        return deleted
    return []


def put_policy(s3: Any, bucket: str, policy: dict[str, Any]) -> None:
    """Put a policy; one without statements is none."""
    if policy["Statement"]:
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy, separators=(",", ":")))
    else:
        s3.delete_bucket_policy(Bucket=bucket)


def change_rules(s3: Any, bucket: str, name: str, wanted: list[dict[str, Any]]) -> None:
    """Bring the deployment's lifecycle rules to *wanted*."""
    try:
        answer = s3.get_bucket_lifecycle_configuration(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchLifecycleConfiguration":
            raise
        answer = {"Rules": []}
    ours = [rule for rule in answer["Rules"] if rule.get("ID", "").startswith(f"beanvault-{name}:")]
    others = [rule for rule in answer["Rules"] if rule not in ours]
    if any("Prefix" in rule for rule in others):
        # Rules of the older form have no Filter, and S3 takes one form only.
        wanted = [{**rule, "Prefix": rule["Filter"]["Prefix"]} for rule in wanted]
        for rule in wanted:
            del rule["Filter"]
    if ours == wanted:
        return
    if not others + wanted:
        s3.delete_bucket_lifecycle(Bucket=bucket)
        return
    # Left out, the smallest size of transitions would go back to the default.
    size = {key: answer[key] for key in ("TransitionDefaultMinimumObjectSize",) if key in answer}
    rules = {"Rules": others + wanted}
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration=rules, **size)


def rules(properties: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the deployment's lifecycle rules; its own bucket has one for everything already."""
    if properties["BucketIs"] != "shared":
        return []
    return [
        {
            "ID": f"beanvault-{properties['Deployment']}:{prefix}",
            "Filter": {"Prefix": prefix},
            "Status": "Enabled",
            "NoncurrentVersionExpiration": {"NoncurrentDays": int(properties["KeepDays"])},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
        }
        for prefix in prefixes(properties)
    ]


def harden(s3: Any, properties: dict[str, Any]) -> list[str]:
    """Add what is missing; return the deleted principals that had to be left out of the bucket's policy."""
    bucket, name = properties["Bucket"], properties["Deployment"]
    change_rules(s3, bucket, name, rules(properties))
    return change_policy(s3, bucket, name, statements(properties))


def undo(s3: Any, properties: dict[str, Any]) -> None:
    """Take away what was added.

    A bucket that is deleted next keeps no statement, not even Beanstalk's against its deletion. One that is
    retained stays TLS only.
    """
    bucket, name = properties["Bucket"], properties["Deployment"]
    try:
        if properties["BucketIs"] == "deleted":
            s3.delete_bucket_policy(Bucket=bucket)
            return
        kept = statements(properties)[:1] if properties["BucketIs"] == "retained" else []
        change_policy(s3, bucket, name, kept)
        change_rules(s3, bucket, name, [])
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchBucket":
            raise


def respond(event: dict[str, Any], status: str, reason: str) -> None:
    """Send the result to CloudFormation."""
    body = {name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")}
    bucket = event["ResourceProperties"]["Bucket"]
    body.update(Status=status, Reason=reason, PhysicalResourceId=f"{bucket}-hardened")
    # The URL is signed without a content type, as AWS's cfn-response sends it; urllib would add one:
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cfn-lambda-function-code-cfnresponsemodule.html
    request = urllib.request.Request(  # noqa: S310 - CloudFormation's own URL
        event["ResponseURL"], json.dumps(body).encode(), {"Content-Type": ""}, method="PUT"
    )
    for pause in (1, 2, 4, None):  # Lambda doesn't run this function again if the answer is lost
        try:
            urllib.request.urlopen(request, timeout=10).close()  # noqa: S310 - the same
        except OSError:
            if pause is None:
                raise
            time.sleep(pause)
        else:
            return


def handler(event: dict[str, Any], _context: object) -> None:
    """Respond to CloudFormation whatever happens: without a response it waits for its time-out."""
    try:
        s3, properties = boto3.client("s3"), event["ResourceProperties"]
        if event["RequestType"] == "Delete":
            undo(s3, properties)
        else:
            harden(s3, properties)
    except Exception as error:
        respond(event, "FAILED", f"the bucket was not changed: {type(error).__name__}: {error}")
        raise
    respond(event, "SUCCESS", "hardened")
