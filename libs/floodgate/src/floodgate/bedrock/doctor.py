"""Whether the models can be called from here, and what to do where not."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import boto3
import structlog
from botocore.config import Config
from keyflow.errors import KeyflowError, PoisonMessageError
from pydantic import BaseModel

from floodgate.bedrock.contract import ModelRequest, Prompt
from floodgate.bedrock.errors import ModelAccessError, translate_boto_errors
from floodgate.bedrock.local_server import is_local_server
from floodgate.bedrock.model import BedrockModel
from floodgate.bedrock.prices import PriceTable
from floodgate.bedrock.settings import BedrockSettings

Status = Literal["ok", "warn", "fail"]
_OLD_PRICES_DAYS: Final = 180
_GEOGRAPHY_OF_REGION: Final = {"us": "us", "eu": "eu", "ap": "apac"}
_GEOGRAPHIES: Final = ("us", "eu", "apac", "global")


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    check: str
    status: Status
    detail: str
    remedy: str = ""

    def as_dict(self) -> dict[str, str]:
        return {key: str(value) for key, value in asdict(self).items()}


class Probe(BaseModel):
    """The answer to the doctor's one call."""

    ready: bool


_PROBE: Final = Prompt(
    name="doctor",
    version="1",
    system="You are checked for readiness. Call the tool and report that you are ready.",
    tool_name="report_ready",
    tool_description="Reports that the model is ready.",
    output=Probe,
    max_tokens=100,
)


class Doctor:
    """Asks every service that a model call depends on, one question each.

    Args:
        settings: What the services would run with.
        today: For the age of the price table.
        session: Makes the boto3 clients; a new session when left out.
    """

    def __init__(self, settings: BedrockSettings, today: Callable[[], date] = date.today, session: Any = None) -> None:
        self._settings = settings
        self._today = today
        self._session = session or boto3.session.Session()
        self._endpoint = ""
        self.is_local = False
        self._model_name = ""

    def examine(self) -> Iterator[Finding]:
        """The findings in order; when the endpoint or the region is unusable, nothing after it is asked."""
        for name, check in (("region", self._check_region), ("endpoint", self._check_endpoint)):
            finding = _guarded(name, check)
            yield finding
            if finding.status == "fail":
                return
        for name, check in (
            ("credentials", self._check_credentials),
            ("model access", self._check_access),
            ("quota", self._check_quota),
            ("price", self._check_price),
            ("prompt cache", self._check_cache),
            ("budget", self._check_budget),
            ("call", self._check_call),
            ("embedding", self._check_embedding),
        ):
            yield _guarded(name, check)

    def _check_region(self) -> Finding:
        region = self._region()
        if not region:
            return Finding("region", "fail", "no AWS region is set", "set AWS_REGION, for instance eu-central-1")
        geography = self._settings.model_id.split(".")[0]
        home = _GEOGRAPHY_OF_REGION.get(region.split("-")[0], region)
        if geography in _GEOGRAPHIES and geography not in {home, "global"}:
            return Finding(
                "region",
                "fail",
                f"{self._settings.model_id} is not served in {region}",
                f"use the {home}. profile of the model (FLOODGATE_BEDROCK_MODEL_ID) or another AWS_REGION",
            )
        return Finding("region", "ok", region)

    def _check_endpoint(self) -> Finding:
        self._endpoint = str(self._client("bedrock-runtime").meta.endpoint_url)
        self.is_local = is_local_server(self._endpoint)
        if self.is_local:
            return Finding("endpoint", "ok", f"local Bedrock server at {self._endpoint}: the local model answers")
        host = urlsplit(self._endpoint).hostname or ""
        if host.endswith((".amazonaws.com", ".amazonaws.com.cn")):
            return Finding("endpoint", "ok", f"Amazon Bedrock at {self._endpoint}")
        return Finding(
            "endpoint",
            "fail" if host in {"127.0.0.1", "localhost", "::1"} else "warn",
            f"{self._endpoint} is neither Amazon Bedrock nor the local Bedrock server",
            "run `make up`, or unset AWS_ENDPOINT_URL_BEDROCK_RUNTIME to use Amazon Bedrock",
        )

    def _check_credentials(self) -> Finding:
        with translate_boto_errors("GetCallerIdentity", "sts"):
            identity = self._client("sts").get_caller_identity()
        return Finding("credentials", "ok", f"account {identity['Account']}, {identity['Arn']}")

    def _check_access(self) -> Finding:
        model_id = self._settings.model_id
        bare, client = _bare(model_id), self._client("bedrock")
        try:
            details = _foundation_model(client, bare, must_be_listed=bare == model_id)
            if bare != model_id:
                with translate_boto_errors("GetInferenceProfile", model_id):
                    client.get_inference_profile(inferenceProfileIdentifier=model_id)
        except ModelAccessError as error:
            if "access denied" not in str(error):
                raise
            remedy = "allow bedrock:GetFoundationModel and bedrock:GetInferenceProfile"
            return Finding("model access", "warn", "not allowed to look the model up; the call below decides", remedy)
        self._model_name = str(details.get("modelName", ""))
        if details.get("modelLifecycle", {}).get("status") == "LEGACY":
            return Finding("model access", "warn", f"{model_id} is marked legacy", "plan the change to a newer model")
        return Finding("model access", "ok", f"{model_id} ({self._model_name or 'by its inference profile'})")

    def _check_quota(self) -> Finding:
        remedy = "allow servicequotas:ListServiceQuotas, or look in the Service Quotas console under Amazon Bedrock"
        try:
            with translate_boto_errors("ListServiceQuotas", "service-quotas"):
                pages = self._client("service-quotas").get_paginator("list_service_quotas")
                quotas = [quota for page in pages.paginate(ServiceCode="bedrock") for quota in page["Quotas"]]
        except ModelAccessError:
            return Finding("quota", "warn", "not allowed to read the quotas", remedy)
        limits = self._limits(quotas)
        if not limits:
            return Finding("quota", "warn", f"no quota is listed for {self._settings.model_id}", remedy)
        shown = ", ".join(f"{value:,.0f} {unit}/min" for unit, value in limits.items())
        detail = f"{shown}; at most {self._settings.max_in_flight} calls in flight per process"
        return self._compare_quota(limits, detail)

    def _compare_quota(self, limits: Mapping[str, float], detail: str) -> Finding:
        """Whether what the processes may use together is what the account has."""
        allowed = {"requests": self._settings.requests_per_minute, "tokens": self._settings.tokens_per_minute}
        unset, above = [], []
        for unit, quota in limits.items():
            most, wanted = allowed[unit], f"FLOODGATE_BEDROCK_{unit.upper()}_PER_MINUTE={quota:.0f}"
            if most is None:
                unset.append(wanted)
            elif most > quota:
                above.append(wanted)
        if above:
            return Finding("quota", "warn", f"{detail}; the settings allow more", f"set {' and '.join(above)}")
        if unset:
            remedy = f"set {' and '.join(unset)}, and FLOODGATE_BEDROCK_INSTANCES to the processes that share them"
            return Finding("quota", "ok", f"{detail}; kept by throttling alone", remedy)
        instances = self._settings.instances
        return Finding("quota", "ok", f"{detail}; shared by {instances} process{'es' if instances > 1 else ''}")

    def _limits(self, quotas: list[Any]) -> dict[str, float]:
        profile = _bare(self._settings.model_id) != self._settings.model_id
        scope = "cross-region" if profile else "on-demand"
        limits: dict[str, float] = {}
        for quota in quotas:
            name = str(quota.get("QuotaName", "")).lower()
            about = name.startswith(scope) and self._model_name and name.endswith(self._model_name.lower())
            for unit in ("requests", "tokens"):
                if about and f"{unit} per minute" in name:
                    limits[unit] = float(quota["Value"])
        return limits

    def _check_price(self) -> Finding:
        table = PriceTable.load(self._settings.price_file)
        price = table.price(self._settings.model_id)
        cache = "" if price.cache_read is None else f", {price.cache_read:g} cache read"
        detail = f"{price.input:g} in, {price.output:g} out{cache} USD per 1M tokens, as of {table.dated}"
        if price.unverified:
            return Finding("price", "warn", detail, "this price was not verified: compare it with the AWS price list")
        age_days = (self._today() - table.dated).days
        if age_days > _OLD_PRICES_DAYS:
            return Finding(
                "price", "warn", detail, f"the table is {age_days} days old: set a newer FLOODGATE_BEDROCK_PRICE_FILE"
            )
        return Finding("price", "ok", detail)

    def _check_cache(self) -> Finding:
        price = PriceTable.load(self._settings.price_file).price(self._settings.model_id)
        if price.cache_minimum is None:
            return Finding(
                "prompt cache", "warn", "the model does not cache prompts", "expect the full price of every token"
            )
        return Finding(
            "prompt cache", "ok", f"a fixed prefix of {price.cache_minimum:,} tokens or more is cached for five minutes"
        )

    def _check_budget(self) -> Finding:
        if self._settings.max_usd is None:
            return Finding("budget", "warn", "no cap on spending", "set MAX_USD to stop each process cleanly at a sum")
        return Finding("budget", "ok", f"each process stops before {self._settings.max_usd:g} USD")

    def _check_call(self) -> Finding:
        started = time.monotonic()
        result = self._with_model(lambda model: model.call(ModelRequest(_PROBE, "Are you ready?")))
        usage = result.usage
        return Finding(
            "call",
            "ok",
            f"{usage.model_label} answered in {(time.monotonic() - started) * 1_000:.0f} ms: {usage.input_tokens} "
            f"tokens in, {usage.output_tokens} out, {usage.cost_usd:.6f} USD",
        )

    def _check_embedding(self) -> Finding:
        [vector] = self._with_model(lambda model: model.embed(["Where are my tickets?"]))
        return Finding("embedding", "ok", f"{self._settings.embed_model_id} answers {len(vector)} dimensions")

    def _with_model(self, ask: Callable[[BedrockModel], Any]) -> Any:
        async def run() -> Any:
            model = BedrockModel(self._settings, log=_silent_log())
            try:
                return await ask(model)
            finally:
                model.close()

        return asyncio.run(run())

    def _region(self) -> str | None:
        return self._settings.region or self._session.region_name

    def _client(self, service: Any) -> Any:
        config = Config(
            retries={"mode": "standard", "total_max_attempts": 2},
            connect_timeout=self._settings.connect_timeout_seconds,
            read_timeout=self._settings.read_timeout_seconds,
        )
        # The local server speaks the control plane too, so nothing leaves the machine when it is in use.
        endpoint = self._endpoint if self.is_local else None
        with translate_boto_errors("client", str(service)):
            return self._session.client(service, region_name=self._region(), endpoint_url=endpoint, config=config)


def _foundation_model(client: Any, model_id: str, *, must_be_listed: bool) -> Mapping[str, Any]:
    # A model may be reachable through a profile in a region that does not list the model itself.
    try:
        with translate_boto_errors("GetFoundationModel", model_id):
            details: Mapping[str, Any] = client.get_foundation_model(modelIdentifier=model_id)["modelDetails"]
            return details
    except (ModelAccessError, PoisonMessageError):
        if must_be_listed:
            raise
        return {}


def _silent_log() -> Any:
    # The report is the output: retries and cache notes of the probe would only stand between its lines.
    return structlog.wrap_logger(
        structlog.PrintLogger(sys.stderr), wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR)
    )


def _bare(model_id: str) -> str:
    plain = model_id.rsplit("/", 1)[-1]
    head, _, rest = plain.partition(".")
    return rest if head in _GEOGRAPHIES else plain


def _guarded(name: str, check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except KeyflowError as error:
        return Finding(name, "fail", str(error))
