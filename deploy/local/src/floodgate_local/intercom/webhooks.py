"""Sends the workspace's notifications as Intercom does: signed, in order per conversation, again when not taken."""

from __future__ import annotations

import asyncio
import json
import uuid
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Final

import httpx
import structlog
from floodgate.intercom.webhooks import SIGNATURE_HEADER, sign

from floodgate_local.intercom.records import Notification
from floodgate_local.intercom.store import Store
from floodgate_local.intercom.workspace import APP_ID

_LANES: Final = 16
_SETTING: Final = "webhook"
_log = structlog.get_logger(__name__)
Clock = Callable[[], float]


@dataclass(frozen=True)
class Target:
    """Where notifications go, and how patiently."""

    url: str | None = None
    timeout_seconds: float = 5.0
    max_attempts: int = 8
    first_retry_seconds: float = 1.0
    """Doubles with every attempt, up to a minute."""
    lose_next: int = 0
    """So many notifications are never sent: what webhooks miss is the reconciler's work."""


class Dispatcher:
    """Delivers notifications to one target. `start` before use, `stop` at the end."""

    def __init__(
        self,
        store: Store,
        secret: bytes,
        clock: Clock,
        *,
        default_url: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._store = store
        self._secret = secret
        self._clock = clock
        self._default_url = default_url
        self._transport = transport
        self._http: httpx.AsyncClient | None = None
        self._lanes: list[asyncio.Queue[Notification]] = []
        self._workers: list[asyncio.Task[None]] = []
        self._timers: set[asyncio.TimerHandle] = set()
        self.target = Target()

    async def start(self) -> None:
        """Begins to deliver; what an earlier process left undelivered goes first."""
        self.target = Target(**self._store.settings.get(_SETTING, {"url": self._default_url}))
        # The target's patience can change while we run, so each attempt brings its own deadline.
        self._http = httpx.AsyncClient(transport=self._transport, timeout=60.0)
        self._lanes = [asyncio.Queue() for _ in range(_LANES)]
        self._workers = [asyncio.create_task(self._work(lane)) for lane in self._lanes]
        self._enqueue_pending()

    async def stop(self) -> None:
        for timer in self._timers:
            timer.cancel()
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        if self._http is not None:
            await self._http.aclose()

    def configure(self, target: Target) -> None:
        """Changes the target for good; what is pending goes to the new one."""
        had_url = self.target.url is not None
        self.target = target
        self._store.save_setting(_SETTING, asdict(target))
        if target.url is not None and not had_url:
            self._enqueue_pending()

    def wanted(self) -> bool:
        return self.target.url is not None

    def enqueue(self, notification: Notification) -> None:
        if self.target.lose_next > 0:
            self.configure(Target(**{**asdict(self.target), "lose_next": self.target.lose_next - 1}))
            notification.state = "lost"
            self._store.save([notification])
            return
        # One lane per conversation keeps its notifications in order as long as the target takes them.
        lane = zlib.crc32(notification.conversation_id.encode()) % _LANES
        self._lanes[lane].put_nowait(notification)

    def redeliver(self, notification_id: str) -> bool:
        """Sends a notification once more, under the same id; False when there is none of that id."""
        notification = self._store.notifications.get(notification_id)
        if notification is None:
            return False
        self.enqueue(notification)
        return True

    def ping(self) -> str:
        """Sends the notification with which Intercom tries an endpoint; returns its id."""
        notification = Notification(
            id=f"notif_{uuid.uuid4()}",
            topic="ping",
            conversation_id="",
            item={"type": "ping", "message": "something something interzen"},
            created_at=int(self._clock()),
        )
        self._store.save([notification])
        self.enqueue(notification)
        return notification.id

    def figures(self) -> dict[str, Any]:
        states = Counter(notification.state for notification in self._store.notifications.values())
        attempts = sum(notification.attempts for notification in self._store.notifications.values())
        names = ("pending", "delivered", "failed", "lost")
        return {"attempts": attempts, **{name: states.get(name, 0) for name in names}}

    def _enqueue_pending(self) -> None:
        if self.target.url is None:
            return
        for notification in self._store.notifications.values():
            if notification.state == "pending":
                self.enqueue(notification)

    async def _work(self, lane: asyncio.Queue[Notification]) -> None:
        while True:
            notification = await lane.get()
            # A reset forgets what was waiting here.
            if self.target.url is not None and notification.id in self._store.notifications:
                await self._attempt(lane, notification, self.target.url)

    async def _attempt(self, lane: asyncio.Queue[Notification], notification: Notification, url: str) -> None:
        notification.attempts += 1
        taken = await self._send(notification, url)
        if taken:
            notification.state = "delivered"
        elif notification.attempts >= self.target.max_attempts:
            notification.state = "failed"
            _log.error("intercom.webhook.gave_up", id=notification.id, topic=notification.topic)
        else:
            wait_seconds = min(60.0, self.target.first_retry_seconds * 2 ** (notification.attempts - 1))
            self._retry_later(lane, notification, wait_seconds)
        if notification.id in self._store.notifications:
            self._store.save([notification])

    def _retry_later(self, lane: asyncio.Queue[Notification], notification: Notification, wait_seconds: float) -> None:
        def again() -> None:
            self._timers.discard(timer)
            lane.put_nowait(notification)

        timer = asyncio.get_running_loop().call_later(wait_seconds, again)
        self._timers.add(timer)

    async def _send(self, notification: Notification, url: str) -> bool:
        assert self._http is not None
        body = json.dumps(envelope(notification), ensure_ascii=False).encode()
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "User-Agent": "intercom-webhooks/1.0",
            SIGNATURE_HEADER: sign(self._secret, body),
        }
        try:
            async with asyncio.timeout(self.target.timeout_seconds):
                response = await self._http.post(url, content=body, headers=headers)
        except (httpx.HTTPError, TimeoutError) as error:
            _log.warning("intercom.webhook.not_taken", id=notification.id, error=type(error).__name__)
            return False
        if not response.is_success:
            _log.warning("intercom.webhook.not_taken", id=notification.id, status=response.status_code)
        return response.is_success


def envelope(notification: Notification) -> dict[str, Any]:
    """The body of one delivery."""
    return {
        "type": "notification_event",
        "app_id": APP_ID,
        "id": notification.id,
        "topic": notification.topic,
        "data": {"type": "notification_event_data", "item": notification.item},
        "links": {},
        "delivery_status": "pending",
        "delivery_attempts": notification.attempts,
        "delivered_at": 0,
        "first_sent_at": notification.created_at,
        "created_at": notification.created_at,
        "self": None,
    }
