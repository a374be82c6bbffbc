"""The key, the buckets, and what of the feature store is declared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

FEATURES: Final = Path(__file__).with_name("features.json")
FEATURE_GROUP: Final = "floodgate-interactions"
_NEVER_PUBLIC: Final = s3.BlockPublicAccess.BLOCK_ALL


def make_key(scope: Construct, account: str, region: str) -> Any:
    """One key for all that rests."""
    key = kms.Key(
        scope, "Key", alias="floodgate", enable_key_rotation=True, removal_policy=RemovalPolicy.RETAIN,
        description="Floodgate: everything that rests",
    )  # fmt: skip
    logs = f"arn:aws:logs:{region}:{account}:*"
    key.add_to_resource_policy(
        iam.PolicyStatement(
            sid="Logs",
            principals=[iam.ServicePrincipal(f"logs.{region}.amazonaws.com")],
            actions=["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey*", "kms:DescribeKey"],
            resources=["*"],
            conditions={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": logs}},
        )
    )
    for sid, service in (("Events", "events"), ("Alarms", "cloudwatch"), ("Budgets", "budgets")):
        key.add_to_resource_policy(
            iam.PolicyStatement(
                sid=sid,
                principals=[iam.ServicePrincipal(f"{service}.amazonaws.com")],
                actions=["kms:Decrypt", "kms:GenerateDataKey*"],
                resources=["*"],
                conditions={"StringEquals": {"aws:SourceAccount": account}},
            )
        )
    return key


class Buckets(Construct):
    """Where content, drops, batches and the offline store are."""

    def __init__(self, scope: Construct, key: Any) -> None:
        super().__init__(scope, "Buckets")
        self._key = key
        self._logs = s3.Bucket(
            self, "AccessLogs",
            encryption=s3.BucketEncryption.S3_MANAGED,  # S3 delivers its logs to no bucket with a key of ours
            block_public_access=_NEVER_PUBLIC, enforce_ssl=True, minimum_tls_version=1.2, versioned=True,
            removal_policy=RemovalPolicy.RETAIN,
            lifecycle_rules=[_expire("old", None, 90)],
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        )  # fmt: skip
        # Catalogue and knowledge are kept, the versions that they replace for a year.
        self.content = self._bucket("Content", _expire("replaced", None, None, old_days=365))
        self.drops = self._bucket("Drops", _expire("read", "interactions/", 90))
        self.batches = self._bucket("Batches", _expire("asked", "input/", 30), _expire("answered", "output/", 30))
        self.offline = self._bucket("Offline", _expire("replaced", None, None, old_days=30))
        # The one native way: the construct's own switch would bring a Lambda function with a role of its own.
        self.drops.node.default_child.notification_configuration = {
            "eventBridgeConfiguration": {"eventBridgeEnabled": True}
        }

    def _bucket(self, name: str, *rules: Any) -> Any:
        return s3.Bucket(
            self, name,
            encryption=s3.BucketEncryption.KMS, encryption_key=self._key, bucket_key_enabled=True,
            block_public_access=_NEVER_PUBLIC, enforce_ssl=True, minimum_tls_version=1.2, versioned=True,
            removal_policy=RemovalPolicy.RETAIN,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            lifecycle_rules=list(rules),
            server_access_logs_bucket=self._logs, server_access_logs_prefix=f"{name.lower()}/",
        )  # fmt: skip


def _expire(name: str, prefix: str | None, days: int | None, old_days: int = 7) -> Any:
    return s3.LifecycleRule(
        id=name,
        prefix=prefix,
        expiration=None if days is None else Duration.days(days),
        noncurrent_version_expiration=Duration.days(old_days),
        abort_incomplete_multipart_upload_after=Duration.days(7),
    )


def make_feature_group(scope: Construct, key: Any, offline: Any) -> Any:
    """The group that `floodgate features setup` would make, from the same definitions (`features.json`)."""
    role = iam.Role(
        scope, "FeatureStoreRole",
        assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com"),
        description="Feature Store writes its offline store",
    )  # fmt: skip
    for actions, resources in (
        (["s3:PutObject", "s3:GetObject", "s3:AbortMultipartUpload"], [offline.arn_for_objects("features/*")]),
        (["s3:ListBucket", "s3:GetBucketAcl", "s3:GetBucketLocation"], [offline.bucket_arn]),
        (["kms:Decrypt", "kms:GenerateDataKey"], [key.key_arn]),
    ):
        role.add_to_policy(iam.PolicyStatement(actions=actions, resources=resources))
    declared = json.loads(FEATURES.read_text(encoding="utf-8"))
    group = sagemaker.CfnFeatureGroup(
        scope, "Features",
        feature_group_name=FEATURE_GROUP,
        record_identifier_feature_name=declared["identifier"],
        event_time_feature_name=declared["event_time"],
        feature_definitions=[
            {"featureName": name, "featureType": kind} for name, kind in declared["features"].items()
        ],
        online_store_config={"EnableOnlineStore": True, "SecurityConfig": {"KmsKeyId": key.key_arn}},
        offline_store_config={
            "S3StorageConfig": {"S3Uri": f"s3://{offline.bucket_name}/features", "KmsKeyId": key.key_arn}
        },
        role_arn=role.role_arn,
        description="One validated feature record per finished support interaction (Floodgate).",
    )  # fmt: skip
    group.apply_removal_policy(RemovalPolicy.RETAIN)
    group.node.add_dependency(role.node.find_child("DefaultPolicy"))  # written to as soon as it is made
    return group, role
