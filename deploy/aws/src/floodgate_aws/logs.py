"""Groups of logs."""

from __future__ import annotations

from typing import Any, Final

from aws_cdk import RemovalPolicy
from aws_cdk import aws_logs as logs
from constructs import Construct

LOG_DAYS: Final = 30


def log_group(scope: Construct, name: str, log_group_name: str, key_arn: str) -> Any:
    """An encrypted one that forgets."""
    group = logs.CfnLogGroup(scope, name, log_group_name=log_group_name, retention_in_days=LOG_DAYS, kms_key_id=key_arn)
    group.apply_removal_policy(RemovalPolicy.DESTROY)
    return group
