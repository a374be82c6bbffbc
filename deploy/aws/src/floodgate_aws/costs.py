"""What a profile costs a month: what stands there by the hour, and what each interaction adds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import yaml

from floodgate_aws.profile import ENDPOINTS, Profile
from floodgate_aws.topics import ROOT

HOURS: Final = 730
"""AWS's own month."""
_TABLE: Final = "prices-2026-11.yaml"
_MODELS: Final = ROOT / "libs/floodgate/src/floodgate/bedrock/prices-2026-11.yaml"
_EMBED: Final = "amazon.titan-embed-text-v2:0"
_SECRETS: Final = 11
_BASE_LOGS_GB: Final = 5  # brokers, API, flow logs of a quiet site
_BASE_TRAFFIC_GB: Final = 50  # heartbeats, scraping, images
_REPLICATION: Final = 3


@dataclass(frozen=True)
class Prices:
    """A price file."""

    dated: str
    region: str
    source: str
    rows: dict[str, dict[str, float]]

    def of(self, unit: str, name: str) -> float:
        """USD.

        Raises:
            ValueError: The file has no such row.
        """
        try:
            return float(self.rows[unit][name])
        except KeyError:
            raise ValueError(f"the price file has no {unit}.{name}: add it") from None


def prices(path: Path | None = None) -> Prices:
    """The packaged price file, or one's own.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no price file.
    """
    path = path or Path(__file__).with_name(_TABLE)
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    missing = {"dated", "region", "source", "hour", "gb_month", "gb", "million", "month"} - set(document or {})
    if missing:
        raise ValueError(f"{path}: {', '.join(sorted(missing))} missing")
    rows = {unit: document[unit] for unit in ("hour", "gb_month", "gb", "million", "month")}
    return Prices(str(document["dated"]), document["region"], document["source"], rows)


@dataclass(frozen=True)
class Infrastructure:
    """The bill of a month.

    Attributes:
        standing: USD by what stands there, whether anybody writes or not.
        varying: USD by what comes with interactions.
    """

    profile: Profile
    model_id: str
    interactions: int
    standing: dict[str, float]
    varying: dict[str, float]

    @classmethod
    def of(cls, profile: Profile, table: Prices, model_id: str, interactions: int | None = None) -> Self:
        """Counts what the stacks of a profile have.

        Raises:
            ValueError: A price is missing.
        """
        count = interactions or profile.interactions_a_month
        return cls(profile, model_id, count, _standing(profile, table), _varying(table, model_id, count))

    @property
    def usd_a_month(self) -> float:
        """All of it."""
        return sum(self.standing.values()) + sum(self.varying.values())

    @property
    def usd_each(self) -> float:
        """Of an interaction, infrastructure included."""
        return self.usd_a_month / self.interactions

    def as_json(self) -> dict[str, Any]:
        """Everything, for other programs."""
        return {
            "profile": self.profile.name,
            "model": self.model_id,
            "interactions_a_month": self.interactions,
            "standing_usd": {name: round(usd, 2) for name, usd in self.standing.items()},
            "varying_usd": {name: round(usd, 4) for name, usd in self.varying.items()},
            "usd_a_month": round(self.usd_a_month, 2),
            "usd_an_interaction": round(self.usd_each, 6),
        }

    def as_text(self) -> str:
        """A table."""
        rows = [f"\n{self.profile.name}: {self.interactions:,} interactions a month, {self.model_id}"]
        for name, usd in (*self.standing.items(), *self.varying.items()):
            rows.append(f"  {name:<44}{usd:>12,.2f}")
        rows.append(f"  {'a month':<44}{self.usd_a_month:>12,.2f}")
        rows.append(f"  {'an interaction':<44}{self.usd_each:>12.6f}")
        return "\n".join(rows) + "\n"


def _standing(profile: Profile, table: Prices) -> dict[str, float]:
    def hours(name: str, count: float = 1) -> float:
        return HOURS * count * table.of("hour", name)

    copies = 2 if profile.registry_multi_az else 1
    alarms = 16 + 3 * profile.brokers
    return {
        f"Kafka, {profile.brokers} x {profile.broker_type}": hours(profile.broker_type, profile.brokers)
        + profile.brokers * profile.broker_storage_gb * table.of("gb_month", "kafka_storage"),
        f"OpenSearch, {profile.search_nodes} x {profile.search_type}": hours(profile.search_type, profile.search_nodes)
        + profile.search_nodes * profile.search_storage_gb * table.of("gb_month", "search_storage"),
        f"Nodes, {profile.nodes} x {profile.node_type}": hours(profile.node_type, profile.nodes)
        + profile.nodes * profile.node_storage_gb * table.of("gb_month", "node_storage"),
        "EKS": hours("eks_cluster"),
        f"Registry, {profile.registry_type}": hours(profile.registry_type, copies)
        + 20 * copies * table.of("gb_month", "registry_storage"),
        f"Endpoints, {len(ENDPOINTS)} in {profile.endpoint_zones} zones": hours(
            "interface_endpoint", len(ENDPOINTS) * profile.endpoint_zones
        ),
        f"NAT, {profile.nat_gateways}": hours("nat_gateway", profile.nat_gateways)
        + _BASE_TRAFFIC_GB * table.of("gb", "nat"),
        "Load balancer": hours("network_balancer") + hours("balancer_unit"),
        "Logs, secrets, key, alarms": _BASE_LOGS_GB * (table.of("gb", "logs_in") + table.of("gb_month", "logs"))
        + _SECRETS * table.of("month", "secret")
        + table.of("month", "key")
        + alarms * table.of("month", "alarm"),
    }


def _varying(table: Prices, model_id: str, interactions: int) -> dict[str, float]:
    needs = _measured()
    gb = interactions * needs["kilobytes_on_topics"] / 1e6
    stored = interactions * needs["feature_kilobytes"] / 1e6
    messages = interactions * needs["messages_per_interaction"]
    units = interactions * needs["feature_kilobytes"]
    crossing = gb * (_REPLICATION + 1) * table.of("gb", "zones")
    return {
        "Model calls": interactions * model_usd_each(model_id),
        "API Gateway": messages / 1e6 * table.of("million", "api_requests"),
        "Feature store": units / 1e6 * table.of("million", "feature_writes")
        + stored * (table.of("gb_month", "feature_online") + table.of("gb_month", "bucket")),
        "Traffic and logs": crossing
        + gb * table.of("gb", "endpoint")
        + interactions * needs["kilobytes_of_logs"] / 1e6 * table.of("gb", "logs_in"),
    }


def model_usd_each(model_id: str) -> float:
    """Model calls of one interaction: measured tokens by the services' own price table.

    Raises:
        ValueError: The table does not have the model.
    """
    models = yaml.safe_load(_MODELS.read_text(encoding="utf-8"))["models"]
    geography, _, bare = model_id.partition(".")
    regional = geography in ("us", "eu", "apac")
    row = models.get(bare if regional or geography == "global" else model_id)
    if row is None:
        raise ValueError(f"no price for {model_id} in {_MODELS.relative_to(ROOT)}")
    factor = row.get("regional_surcharge", 1.0) if regional else 1.0
    needs = _measured()
    messages = needs["messages_per_interaction"]
    each = {"verdict": messages, "reply": messages, "summary": 1}
    total = sum(each[kind] * _call_usd(tokens, row) for kind, tokens in needs["calls"].items())
    embedded = messages * needs["embedding_tokens"] * models[_EMBED]["input"]
    return float(factor * total + embedded) / 1e6


def _call_usd(tokens: dict[str, float], row: dict[str, float]) -> float:
    """In millionths. Where a model keeps no prefix of ours, cached tokens cost what plain ones do."""
    caches = "cache_minimum" in row
    return (
        tokens["input"] * row["input"]
        + tokens["output"] * row["output"]
        + tokens["cache_read"] * (row["cache_read"] if caches else row["input"])
        + tokens["cache_write"] * (row["cache_write"] if caches else row["input"])
    )


def _measured() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("measured.yaml").read_text(encoding="utf-8"))
    return document
