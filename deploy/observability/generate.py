"""Writes the Grafana dashboards: `python deploy/observability/generate.py`.

A file `panels/<service>.yaml` (title, and panels with title, unit and expressions by legend) adds a dashboard.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

import yaml

Panel = tuple[str, str, dict[str, str]]
"""Title, Grafana's unit, and expressions by legend."""

SERVICES: Final[tuple[Panel, ...]] = (
    ("Outcomes a second", "ops", {
        "{{processor}} {{kind}}": "sum by (processor, kind) (rate(keyflow_finished_total[1m]))",
    }),
    ("Oldest unfinished record", "s", {"{{processor}}": "max by (processor) (keyflow_oldest_unfinished_seconds)"}),
    ("Left to do", "short", {"{{processor}} {{topic}}": "sum by (processor, topic) (keyflow_lag)"}),
    ("Work without a commit", "s", {"{{processor}}": "max by (processor) (keyflow_stalled_seconds)"}),
    ("Outages and open breakers", "short", {
        "outage {{processor}}": "max by (processor) (keyflow_outage)",
        "open {{processor}}": 'max by (processor) (keyflow_breaker{state="open"})',
    }),
    ("Records in flight and fetched", "short", {
        "in flight {{processor}}": "sum by (processor) (keyflow_in_flight)",
        "fetched {{processor}}": "sum by (processor) (keyflow_buffered)",
    }),
    ("Transactions, 99th percentile", "s", {
        "{{processor}}": "histogram_quantile(0.99, sum by (processor, le) (rate(keyflow_commit_seconds_bucket[5m])))",
    }),
    ("Dead letters and fallbacks in 10 minutes", "short", {
        "{{processor}} {{kind}}":
            'sum by (processor, kind) (increase(keyflow_finished_total{kind=~"dead_letter|fallback|parked"}[10m]))',
    }),
)  # fmt: skip

CUSTOMERS: Final[tuple[Panel, ...]] = (
    ("Time to a verdict", "s", {
        "median": "histogram_quantile(0.5, sum by (le) (rate(floodgate_firewall_verdict_seconds_bucket[5m])))",
        "95th percentile":
            "histogram_quantile(0.95, sum by (le) (rate(floodgate_firewall_verdict_seconds_bucket[5m])))",
    }),
    ("Time to the reply at the channel, 95th percentile", "s", {
        "95th percentile": "histogram_quantile(0.95, sum by (le) (rate(floodgate_delivery_sent_seconds_bucket[5m])))",
    }),
    ("Model calls in flight, waiting, allowed", "short", {
        "in flight": "sum(floodgate_bedrock_in_flight)",
        "waiting": "sum(floodgate_bedrock_waiting)",
        "allowed": "sum(floodgate_bedrock_limit)",
    }),
    ("Throttled calls a second", "ops", {"{{model}}": "sum by (model) (rate(floodgate_bedrock_throttled_total[5m]))"}),
    ("Cost in 24 hours against the budget", "currencyUSD", {
        "cost": "sum(increase(floodgate_pulse_cost_usd_total[1d]))",
        "budget": "max(floodgate_pulse_budget_usd)",
    }),
    ("Alerts in an hour", "short", {"{{name}}": "sum by (name) (increase(floodgate_pulse_alerts_total[1h]))"}),
    ("Records without a model, a second", "ops", {"unscreened": "sum(rate(floodgate_firewall_unscreened_total[5m]))"}),
    ("Told, by channel, in an hour", "short", {
        "{{channel}}": "sum by (channel) (increase(floodgate_pulse_notifications_total[1h]))",
    }),
)  # fmt: skip

_SOURCE: Final = {"name": "source", "label": "Data source", "type": "datasource", "query": "prometheus"}


def _added() -> dict[str, tuple[str, tuple[Panel, ...]]]:
    """The dashboards of panels/*.yaml by the files' names."""
    found = {}
    for path in sorted((Path(__file__).parent / "panels").glob("*.yaml")):
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        panels = tuple((each["title"], each["unit"], each["expressions"]) for each in content["panels"])
        found[path.stem] = (content["title"], panels)
    return found


DASHBOARDS: Final = {
    "services": ("Floodgate: services", SERVICES),
    "customers": ("Floodgate: customers", CUSTOMERS),
    **_added(),
}


def dashboard(name: str) -> dict[str, Any]:
    """A dashboard as Grafana imports it; the data source is asked for."""
    title, panels = DASHBOARDS[name]
    return {
        "uid": f"floodgate-{name}",
        "title": title,
        "tags": ["floodgate"],
        "schemaVersion": 39,
        "refresh": "10s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {
            "list": [{"name": "source", "label": "Data source", "type": "datasource", "query": "prometheus"}]
        },
        "panels": [_panel(number, panel) for number, panel in enumerate(panels)],
    }


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    title, unit, expressions = panel
    source = {"type": "prometheus", "uid": "${source}"}
    return {
        "id": number + 1,
        "title": title,
        "type": "timeseries",
        "datasource": source,
        "gridPos": {"h": 8, "w": 12, "x": number % 2 * 12, "y": number // 2 * 8},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(65 + place), "datasource": source, "expr": expression, "legendFormat": legend}
            for place, (legend, expression) in enumerate(expressions.items())
        ],
    }


def written(name: str) -> str:
    """The file's text."""
    return json.dumps(dashboard(name), indent=2) + "\n"


if __name__ == "__main__":
    for each in DASHBOARDS:
        path = Path(__file__).parent / "dashboards" / f"{each}.json"
        path.write_text(written(each), encoding="utf-8")
        sys.stdout.write(f"wrote {path.name}\n")
