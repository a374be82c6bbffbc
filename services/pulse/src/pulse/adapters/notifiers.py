"""Channels by which people are told: a Slack-compatible webhook, PagerDuty's Events API v2, mail."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from typing import Any, Final

import httpx
from floodgate.events import Metric
from keyflow import PoisonMessageError, RetryableError
from pydantic import SecretStr

from pulse.domain.notices import mail, pagerduty_body, slack_body
from pulse.settings import NotifySettings

_LATER: Final = frozenset({408, 425, 429})


class _Post:
    """Sends JSON, and says of a refusal whether it is for good."""

    def __init__(self, name: str, timeout_seconds: float, transport: httpx.AsyncBaseTransport | None) -> None:
        self._name = name
        self._timeout_seconds = timeout_seconds
        self._transport = transport

    async def __call__(self, url: str, body: dict[str, Any]) -> None:
        try:
            async with httpx.AsyncClient(timeout=self._timeout_seconds, transport=self._transport) as client:
                answer = await client.post(url, json=body)
        except httpx.HTTPError as error:
            raise RetryableError(f"{self._name} cannot be reached ({type(error).__name__})") from None
        if answer.status_code in _LATER or answer.status_code >= 500:
            seconds = answer.headers.get("Retry-After", "")
            raise RetryableError(
                f"{self._name} answered {answer.status_code}", float(seconds) if seconds.isdigit() else None
            )
        if not answer.is_success:
            # The address is a secret: it does not stand in the reason.
            raise PoisonMessageError(f"{self._name} refused with {answer.status_code}: look at its settings")


class SlackWebhook:
    """An incoming webhook of Slack, Mattermost, or whatever takes the same."""

    name = "webhook"

    def __init__(
        self, url: SecretStr, timeout_seconds: float, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._url = url
        self._post = _Post("the webhook", timeout_seconds, transport)

    async def notify(self, metric: Metric) -> None:
        """Raises RetryableError or PoisonMessageError when it was not taken."""
        await self._post(self._url.get_secret_value(), slack_body(metric))


class PagerDuty:
    """Events API v2."""

    name = "pagerduty"

    def __init__(
        self, url: str, key: SecretStr, timeout_seconds: float, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._url = url
        self._key = key
        self._post = _Post("PagerDuty", timeout_seconds, transport)

    async def notify(self, metric: Metric) -> None:
        """Raises RetryableError or PoisonMessageError when it was not taken."""
        await self._post(self._url, pagerduty_body(metric, self._key.get_secret_value()))


class SmtpMail:
    """Mail through a relay."""

    name = "mail"

    def __init__(self, settings: NotifySettings) -> None:
        self._settings = settings

    async def notify(self, metric: Metric) -> None:
        """Raises RetryableError or PoisonMessageError when it was not taken."""
        await asyncio.to_thread(self._send, metric)

    def _send(self, metric: Metric) -> None:
        settings = self._settings
        try:
            with smtplib.SMTP(settings.smtp_host or "", settings.smtp_port, timeout=settings.timeout_seconds) as server:
                if settings.smtp_starttls:
                    server.starttls(context=ssl.create_default_context())
                if settings.smtp_user and settings.smtp_password:
                    server.login(settings.smtp_user, settings.smtp_password.get_secret_value())
                server.send_message(mail(metric, settings.mail_from, settings.mail_to))
        except (smtplib.SMTPAuthenticationError, smtplib.SMTPRecipientsRefused, smtplib.SMTPSenderRefused) as error:
            raise PoisonMessageError(f"the mail relay refused ({type(error).__name__}): look at its settings") from None
        except (OSError, smtplib.SMTPException) as error:
            raise RetryableError(f"the mail relay does not take it ({type(error).__name__})") from None
