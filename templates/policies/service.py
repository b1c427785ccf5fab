"""What Beanstalk's service role may do beside AWS's two managed policies for it."""

from awacs import kms
from awacs.aws import Allow, Condition, Statement, StringEquals
from troposphere import Sub

from templates.policies import Arn


def encrypt_notifications(key: Arn) -> Statement:
    """Encrypt these messages with the topic's key."""
    return Statement(
        Sid="EncryptNotifications",
        Effect=Allow,
        Action=[kms.Decrypt, kms.GenerateDataKey],
        Resource=[key],
        Condition=Condition([StringEquals({"kms:ViaService": Sub("sns.${AWS::Region}.amazonaws.com")})]),
    )
