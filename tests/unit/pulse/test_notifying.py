"""Alerts reach people once, in the form of each channel, with secrets in no message."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from floodgate.events import Metric
from keyflow import PoisonMessageError, Record, RetryableError, Tools
from pulse.adapters.notifiers import PagerDuty, SlackWebhook, SmtpMail
from pulse.domain.alerts import gap_alert
from pulse.domain.metrics import alert_record, figure_record, key_of
from pulse.domain.notices import mail, runbook, subject
from pulse.domain.windows import Figure
from pulse.notifying import NotifyHandler, Told
from pulse.settings import NotifySettings
from pydantic import SecretStr, ValidationError

URL = SecretStr("https://h.example/secret")
NOON = 1_777_896_000_000
ALERT = alert_record(gap_alert(NOON, 3, 1_800_000), NOON)
TOOLS = Tools(lambda: NOON, lambda: None)


class Channel:
    name = "fake"

    def __init__(self) -> None:
        self.told: list[Metric] = []

    async def notify(self, metric: Metric) -> None:
        self.told.append(metric)


def record(metric: Metric) -> Record:
    return Record("support.metrics", 0, 0, "k", metric)


async def test_an_alert_is_told_once_and_a_figure_never() -> None:
    channel = Channel()
    handler = NotifyHandler(channel)
    first = await handler.handle(record(ALERT), None, TOOLS)
    assert isinstance(first.state, Told)
    await handler.handle(record(ALERT), first.state, TOOLS)
    await handler.handle(record(figure_record(Figure("verdicts", NOON, 60, ("", "", ""), 1, 0), NOON)), None, TOOLS)
    assert channel.told == [ALERT]


def answering(status: int, taken: list[Any], **headers: str) -> httpx.MockTransport:
    def answer(request: httpx.Request) -> httpx.Response:
        taken.append(json.loads(request.content))
        return httpx.Response(status, headers=headers)

    return httpx.MockTransport(answer)


async def test_a_webhook_gets_the_alert_and_its_runbook() -> None:
    taken: list[Any] = []
    await SlackWebhook(SecretStr("https://hooks.example/x"), 1.0, answering(200, taken)).notify(ALERT)
    assert taken[0]["text"].startswith("Floodgate: 3 interactions since 2026-05-04 12:00 UTC")
    assert "docs/runbooks/completeness-gap.md" in taken[0]["text"]


async def test_pagerduty_gets_one_incident_for_one_alert() -> None:
    taken: list[Any] = []
    await PagerDuty("https://pd.example", SecretStr("key"), 1.0, answering(202, taken)).notify(ALERT)
    assert taken[0]["dedup_key"] == str(ALERT.event_id)
    assert taken[0]["event_action"] == "trigger"
    assert taken[0]["payload"]["severity"] == "error"


async def test_too_many_is_tried_later_and_a_refusal_is_told_without_the_address() -> None:
    with pytest.raises(RetryableError) as later:
        await SlackWebhook(
            SecretStr("https://h.example/secret"), 1.0, answering(429, [], **{"Retry-After": "7"})
        ).notify(ALERT)
    assert later.value.retry_after_seconds == 7.0
    with pytest.raises(PoisonMessageError) as refused:
        await SlackWebhook(URL, 1.0, answering(404, [])).notify(ALERT)
    assert "secret" not in str(refused.value)


async def test_a_mail_relay_that_is_not_there_is_tried_later() -> None:
    settings = NotifySettings(smtp_host="192.0.2.1", smtp_port=1, mail_from="a@example.org", mail_to=("b@example.org",))

    class Down(SmtpMail):
        def _send(self, metric: Metric) -> None:
            raise RetryableError("down")

    with pytest.raises(RetryableError):
        await Down(settings).notify(ALERT)
    assert mail(ALERT, "a@example.org", ("b@example.org",))["Message-ID"] == f"<{ALERT.event_id}@floodgate>"


def test_mail_without_addresses_is_refused_at_the_start() -> None:
    with pytest.raises(ValidationError, match="MAIL_FROM"):
        NotifySettings(smtp_host="mail.example.org")


def test_every_alert_names_a_runbook_that_is_there() -> None:
    assert runbook(ALERT) == "docs/runbooks/completeness-gap.md"
    assert subject(ALERT).startswith("Floodgate: ")


def test_a_window_has_one_key_and_a_figure_written_twice_one_id() -> None:
    assert key_of(900, NOON) == "900/2026-05-04T12:00:00Z"
    figure = Figure("cost_usd", NOON, 60, ("a", "b", "c"), 1_500_000_000, 2)
    assert figure_record(figure, NOON).event_id == figure_record(figure, NOON + 5).event_id
    assert figure_record(figure, NOON).value == 1.5
