"""Whether new volumes are encrypted in the region: a setting of the account's owner, which no layer changes.

Beanstalk has no option for its instances' volumes (EC2.3), so the region's default decides. It is everybody's
in the account, and an organisation may deny changing it.
https://docs.aws.amazon.com/ebs/latest/userguide/encryption-by-default.html
"""

from __future__ import annotations

from ..aws import FAILURES, Aws
from ..ui import Ui


def encrypted_by_default(aws: Aws) -> bool:
    return aws.client("ec2").get_ebs_encryption_by_default()["EbsEncryptionByDefault"]


def remedy(aws: Aws) -> str:
    return f"aws ec2 enable-ebs-encryption-by-default --region {aws.region}"


def report_unencrypted_volumes(aws: Aws, ui: Ui) -> None:
    """Say that the instances' volumes will not be encrypted. Without permission to ask, report nothing."""
    try:
        encrypted = encrypted_by_default(aws)
    except FAILURES:
        return  # `doctor` and `verify` report it
    if not encrypted:
        ui.step(
            f"default encryption of EBS volumes is off in {aws.region}, so the instances' volumes will not "
            f"be encrypted (EC2.3). Turn it on: {remedy(aws)}"
        )
