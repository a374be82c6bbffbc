"""How large a site is, and what it decides for itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

EU_REGIONS: Final = (
    "eu-central-1", "eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-3",
)  # fmt: skip
"""Regions of AWS within the European Union: neither London (eu-west-2) nor Zurich (eu-central-2)."""
ZONES: Final = 3
NAMESPACE: Final = "floodgate"
ENDPOINTS: Final = (
    "bedrock-runtime", "sts", "secretsmanager", "kms", "ecr.api", "ecr.dkr", "logs", "sqs", "eks-auth",
    "sagemaker.featurestore-runtime",
)  # fmt: skip
"""What of AWS is reached without the internet, besides S3."""


@dataclass(frozen=True)
class Profile:
    """What is paid for.

    Attributes:
        broker_replicas: A broker should carry at most, by AWS's advice for its type.
        partitions: Of a topic that does not say otherwise (FLOODGATE_KAFKA_PARTITIONS).
        endpoint_zones: Zones in which every interface endpoint has an address; each is paid by the hour.
    """

    name: str
    interactions_a_month: int
    nat_gateways: int
    endpoint_zones: int
    broker_type: str
    brokers: int
    broker_replicas: int
    partitions: int
    broker_storage_gb: int
    search_type: str
    search_nodes: int
    search_storage_gb: int
    node_type: str
    nodes: int
    most_nodes: int
    node_storage_gb: int
    registry_type: str
    registry_multi_az: bool
    webhook_per_second: int
    budget_usd: int


# Three partitions, for a broker of the smallest type carries 300 replicas by AWS's advice: with the contract's six it
# would be 307. MSK Serverless costs four times as much before the first record, and more for every partition.
SMALL: Final = Profile(
    name="small",
    interactions_a_month=30_000,
    nat_gateways=1,
    endpoint_zones=1,
    broker_type="kafka.t3.small",
    brokers=3,
    broker_replicas=300,
    partitions=3,
    broker_storage_gb=20,
    search_type="t3.medium.search",
    search_nodes=2,
    search_storage_gb=10,
    node_type="t3.large",
    nodes=2,
    most_nodes=4,
    node_storage_gb=30,
    registry_type="db.t4g.micro",
    registry_multi_az=False,
    webhook_per_second=50,
    budget_usd=1_500,
)
LARGE: Final = Profile(
    name="large",
    interactions_a_month=3_000_000,
    nat_gateways=3,
    endpoint_zones=3,
    broker_type="kafka.m7g.large",
    brokers=3,
    broker_replicas=1_000,
    partitions=24,
    broker_storage_gb=500,
    search_type="r7g.large.search",
    search_nodes=3,
    search_storage_gb=100,
    node_type="m7i.xlarge",
    nodes=6,
    most_nodes=24,
    node_storage_gb=50,
    registry_type="db.t4g.medium",
    registry_multi_az=True,
    webhook_per_second=2_000,
    budget_usd=12_000,
)
PROFILES: Final = {profile.name: profile for profile in (SMALL, LARGE)}


@dataclass(frozen=True)
class Site:
    """What a site says in CDK's context (`-c name=value`).

    Attributes:
        eu_only: Models are asked within the European Union alone; anything else is denied.
        admin_cidrs: Networks from which the cluster's API answers; none: only from within the VPC.
        alarm_email: Who is told; none: nobody is subscribed.
    """

    profile: Profile
    region: str = "eu-central-1"
    account: str | None = None
    eu_only: bool = True
    model_id: str = "amazon.nova-lite-v1:0"
    embed_model_id: str = "amazon.titan-embed-text-v2:0"
    admin_cidrs: tuple[str, ...] = ()
    alarm_email: str = ""
    kafka_version: str = "3.9.x.kraft"
    search_version: str = "OpenSearch_2.19"
    kubernetes_version: str = "1.34"

    @classmethod
    def read(cls, context: Mapping[str, Any]) -> Site:
        """From the context.

        Raises:
            ValueError: A value is unknown, or the region contradicts the choice of the European Union.
        """
        name = str(context.get("profile", SMALL.name))
        if name not in PROFILES:
            raise ValueError(f"profile={name}: there are {', '.join(PROFILES)}")
        known = ("region", "account", "model_id", "embed_model_id", "alarm_email", "kafka_version", "search_version",
                 "kubernetes_version")  # fmt: skip
        unknown = sorted(set(context) - {*known, "profile", "eu_only", "admin_cidrs"})
        if unknown:
            raise ValueError(f"unknown context: {', '.join(unknown)}")
        values = {key: str(context[key]) for key in known if context.get(key)}
        networks = tuple(part.strip() for part in str(context.get("admin_cidrs", "")).split(",") if part.strip())
        eu_only = str(context.get("eu_only", "true")).lower()
        if eu_only not in ("true", "false"):
            raise ValueError(f"eu_only={eu_only}: say true or false")
        if "0.0.0.0/0" in networks:
            raise ValueError("admin_cidrs=0.0.0.0/0 opens the cluster's API to everybody: name your own network")
        site = cls(PROFILES[name], admin_cidrs=networks, eu_only=eu_only == "true", **values)
        if site.eu_only and site.region not in EU_REGIONS:
            raise ValueError(f"region={site.region} is not in the European Union: choose {', '.join(EU_REGIONS)}, "
                             "or say eu_only=false")  # fmt: skip
        return site

    @property
    def zones(self) -> list[str]:
        """Named, not looked up: synthesis asks AWS nothing."""
        return [f"{self.region}{letter}" for letter in "abc"]

    @property
    def geography(self) -> str:
        """First part of the id of a cross-region inference profile."""
        return "eu" if self.region.startswith("eu-") else "us"

    @property
    def inference_profile(self) -> str:
        """Bedrock's own profile of the model."""
        return f"{self.geography}.{self.model_id}"

    @property
    def model_regions(self) -> tuple[str, ...]:
        """Where that profile may have a model answer."""
        return EU_REGIONS if self.geography == "eu" else ("us-east-1", "us-east-2", "us-west-2")
