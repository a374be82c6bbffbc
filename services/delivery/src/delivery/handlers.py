"""One function per event: plan the commands, run them one after the other as effects, note what became of each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any, Final

from floodgate.events import Escalation, Message, MessageKind, Reply, Verdict
from floodgate.events.times import now_ms as wall_clock_ms
from floodgate.telemetry import counter, get_logger, histogram
from keyflow import Effect, EffectResult, Outcome, PendingEffect, Record, Tools
from keyflow.errors import PoisonMessageError

from delivery.domain.commands import AnyCommand, NoteCommand, Order, ReplyCommand
from delivery.domain.plan import Planner
from delivery.domain.state import DeliveryState, Queued
from delivery.ports import Channel, Fate

log = get_logger(__name__)

DELIVER: Final = "deliver"
_commands = counter(
    "floodgate_delivery_commands_total", "Commands by channel, kind and fate", ("channel", "do", "fate")
)
_sent_seconds = histogram(
    "floodgate_delivery_sent_seconds",
    "From Kafka having an event to the channel having taken the first command of it.",
    ("channel",),
    # Fine enough for a median and a 95th percentile that are read from the buckets, from 5 ms to 30 s.
    (
        *(0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75),
        *(1.0, 1.5, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 60.0, 300.0),
    ),
)

_WHY_UNSENT: Final[Mapping[str, str]] = {
    "withheld": "a colleague had joined before it could be sent",
    "expired": "it would have come too late",
    "refused": "the channel refused it",
    "failed": "the channel did not take it in time; it may have arrived",
}


class DeliveryHandler:
    """Delivers verdicts, replies and hand-overs; follows who has joined.

    Args:
        planner: Decides the commands.
        pushed: Channels that something is sent to; the callers of all others read what became of their messages.
    """

    def __init__(self, planner: Planner, pushed: Collection[str], *, default_pushed: bool) -> None:
        self._planner = planner
        self._pushed = frozenset(pushed)
        self._default_pushed = default_pushed

    async def handle(self, record: Record, state: DeliveryState | None, tools: Tools) -> Outcome[DeliveryState]:
        """Plans the commands of one event and starts the first.

        Raises:
            PoisonMessageError: The topic carries something else.
        """
        state = state or DeliveryState()
        match record.value:
            case Message() as message:
                return _on_message(message, state)
            case Verdict() | Reply() | Escalation() as event:
                if state.seen(str(event.event_id)):
                    return Outcome()
                return self._start(record, event, state.noted(str(event.event_id)))
        raise PoisonMessageError(f"{record.topic} carries nothing that can be delivered")

    async def resume(
        self, result: EffectResult, key: str, state: DeliveryState | None, tools: Tools
    ) -> Outcome[DeliveryState]:
        """Notes what became of a command and starts the next."""
        state = state or DeliveryState()
        order = Order.model_validate(result.effect.payload)
        fate = str(result.value["fate"]) if result.status == "done" else result.status
        _commands.labels(channel=order.channel, do=order.command.do, fate=fate).inc()
        if result.status != "done":
            log.warning(
                "delivery.command_not_done",
                event_id=order.event_id,
                do=order.command.do,
                status=result.status,
                reason=result.value.get("error", ""),
            )
        state = _after(order, fate, result.value.get("part_id"), state)
        if isinstance(order.command, ReplyCommand) and fate in _WHY_UNSENT:
            state = self._rescue(order, order.command, fate, state)
        return self._next(key, state)

    def _start(
        self, record: Record, event: Verdict | Reply | Escalation, state: DeliveryState
    ) -> Outcome[DeliveryState]:
        channel = event.message.channel if isinstance(event, Verdict) else event.channel
        if not (channel in self._pushed or self._default_pushed):
            # The caller reads GET /v1/conversations/{id}; there is nothing to send.
            return Outcome(state=state)
        plan = self._planner.plan(event, notice_sent=state.notice_sent)
        queue = tuple(
            Queued(
                event_id=str(event.event_id),
                number=number,
                command=command,
                expires_at_ms=_expiry_ms(command, plan.reply_expires_at),
                # The first is the reply where there is one; those after it only wait for their turn.
                recorded_at_ms=record.timestamp_ms if number == 0 else 0,
            )
            for number, command in enumerate(plan.commands)
        )
        changes = {"channel": channel, "queue": queue, "rescue_team": plan.rescue_team}
        return self._next(record.key, state.model_copy(update=changes))

    def _next(self, key: str, state: DeliveryState) -> Outcome[DeliveryState]:
        if not state.queue:
            return Outcome(state=state)
        first, *rest = state.queue
        if isinstance(first.command, ReplyCommand) and state.human_joined:
            # No call is needed to know it.
            state = state.model_copy(update={"queue": tuple(rest)})
            _commands.labels(channel=state.channel, do="reply", fate="withheld").inc()
            withheld = self._order(key, first, state)
            return self._next(key, self._rescue(withheld, first.command, "withheld", state))
        order = self._order(key, first, state)
        effect = Effect(DELIVER, order.key, order.model_dump(mode="json"), order.expires_at_ms)
        return Outcome(state=state.model_copy(update={"queue": tuple(rest)}), effect=effect)

    def _order(self, key: str, queued: Queued, state: DeliveryState) -> Order:
        return Order(
            channel=state.channel,
            conversation_id=key.partition(":")[2],
            event_id=queued.event_id,
            number=queued.number,
            command=queued.command,
            after_part_id=state.last_part_id,
            expires_at_ms=queued.expires_at_ms,
            recorded_at_ms=queued.recorded_at_ms,
        )

    def _rescue(self, order: Order, reply: ReplyCommand, fate: str, state: DeliveryState) -> DeliveryState:
        """A reply that was not sent is told to the team; when nobody would get the conversation, a team does."""
        number = max((queued.number for queued in state.queue), default=order.number) + 1
        text = f"This automated reply was not sent, because {_WHY_UNSENT[fate]}:\n\n{reply.text}"
        extra: list[AnyCommand] = [NoteCommand(title="Floodgate did not reply", text=text)]
        assign = self._planner.assign(state.rescue_team) if state.rescue_team and fate != "withheld" else None
        if assign is not None:
            extra.append(assign)
        # What would end or resolve the conversation makes no sense without the reply.
        kept = tuple(queued for queued in state.queue if queued.command.do != "close")
        added = tuple(
            Queued(event_id=order.event_id, number=number + offset, command=command)
            for offset, command in enumerate(extra)
        )
        return state.model_copy(update={"queue": (*kept, *added), "rescue_team": None})


class Deliver:
    """The effect function: one command on its channel.

    Args:
        channels: By name.
        default: For conversations of any other channel; None when their callers poll.
        now_ms: Wall clock, as Kafka's timestamps are.
    """

    def __init__(
        self, channels: Mapping[str, Channel], default: Channel | None, *, now_ms: Callable[[], int] = wall_clock_ms
    ) -> None:
        self._channels = channels
        self._default = default
        self._now_ms = now_ms

    async def __call__(self, pending: PendingEffect) -> Mapping[str, Any]:
        """Does it, and says what became of it.

        Raises:
            RetryableError: Try again later.
            PoisonMessageError: The channel refuses it, or there is no such channel any more.
        """
        order = Order.model_validate(pending.effect.payload)
        channel = self._channels.get(order.channel, self._default)
        if channel is None:
            raise PoisonMessageError(f"nothing is sent to the channel {order.channel!r}")
        receipt = await channel.deliver(order, maybe_repeated=pending.maybe_repeated)
        if receipt.fate is Fate.SENT and order.recorded_at_ms > 0:
            # Clocks of two machines may differ: never less than nothing.
            passed_ms = max(0, self._now_ms() - order.recorded_at_ms)
            # Names of channels are the callers': only ours are labels.
            name = order.channel if order.channel in self._channels else "webhook"
            _sent_seconds.labels(channel=name).observe(passed_ms / 1000)
        return {"fate": str(receipt.fate), "part_id": receipt.part_id}


def _on_message(message: Message, state: DeliveryState) -> Outcome[DeliveryState]:
    match message.kind:
        case MessageKind.HUMAN_JOINED if not state.human_joined:
            return Outcome(state=state.model_copy(update={"human_joined": True}))
        case MessageKind.CLOSED | MessageKind.REOPENED if state.human_joined:
            return Outcome(state=state.model_copy(update={"human_joined": False}))
        case _:
            return Outcome()


def _after(order: Order, fate: str, part_id: object, state: DeliveryState) -> DeliveryState:
    changes: dict[str, Any] = {}
    if isinstance(part_id, str):
        changes["last_part_id"] = part_id
    if isinstance(order.command, ReplyCommand) and fate in {Fate.SENT, Fate.ALREADY_SENT}:
        changes["notice_sent"] = True
    return state.model_copy(update=changes)


def _expiry_ms(command: AnyCommand, reply_expires_at: datetime | None) -> int | None:
    """Only a reply grows stale; a hand-over always goes on."""
    if not isinstance(command, ReplyCommand) or reply_expires_at is None:
        return None
    return int(reply_expires_at.timestamp() * 1000)
