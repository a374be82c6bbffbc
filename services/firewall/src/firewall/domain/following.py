"""How the state follows what happens in a conversation: pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from floodgate.events import Decision, Escalation, Message, MessageKind, OutboundReply, Reply

from firewall.domain.ruling import Ruling
from firewall.domain.situation import UNKNOWN_PATH, Click, Question
from firewall.domain.state import ConversationState, OfferedCase, OpenQuestion

MAX_OPTIONS: Final = 12
# People answer in two or three messages in a row; the later ones still belong to the same question.
ANSWER_WINDOW: Final = timedelta(minutes=2)


def after_notice(state: ConversationState, message: Message) -> ConversationState:
    """After somebody joined, or the conversation closed or opened again."""
    changes: Mapping[str, Any]
    match message.kind:
        case MessageKind.HUMAN_JOINED:
            changes = {"human_joined": True, "question": None, "offered": None, "burst": None}
        case MessageKind.CLOSED | MessageKind.REOPENED:
            kept = ConversationState(recent_event_ids=state.recent_event_ids, digests=state.digests)
            return kept.seen(message.event_id)
        case _:
            changes = {}
    return state.model_copy(update=changes).seen(message.event_id)


def after_agent_reply(state: ConversationState, reply: Reply) -> ConversationState:
    """After the agent spoke: its question is open, or no question is."""
    question = None
    if reply.awaits is not None and not reply.resolved and reply.workflow:
        question = OpenQuestion(workflow=reply.workflow, slot=reply.awaits, category=reply.category)
    changes: dict[str, Any] = {"question": question, "burst": None}
    if reply.resolved:
        # What comes next is a new wish: the path of the settled one says nothing about it.
        changes |= {"path_instead": UNKNOWN_PATH, "redirect_count": 0, "offered": None}
    return state.model_copy(update=changes).seen(reply.event_id)


def after_agent_escalation(state: ConversationState, escalation: Escalation) -> ConversationState:
    """After the agent handed over: no question of its is open any more, a human has the case."""
    changes = {"waiting_for_human": True, "question": None, "offered": None, "burst": None}
    return state.model_copy(update=changes).seen(escalation.event_id)


def after_ruling(
    state: ConversationState, message: Message, ruling: Ruling, reply: OutboundReply | None, language: str
) -> ConversationState:
    """After a verdict on a message."""
    changes: dict[str, Any] = {"language": language or state.language}
    if message.chosen_path != UNKNOWN_PATH:
        changes["channel_path"] = message.chosen_path
        if message.chosen_path != state.channel_path:
            changes["path_instead"] = None
    if ruling.decision is Decision.REDIRECT and reply is not None and ruling.suggested_path is not None:
        changes["redirect_count"] = state.redirect_count + 1
        changes["offered"] = OfferedCase(
            # Buttons of an earlier redirect can still be pressed.
            options=(*(state.offered.options if state.offered else ()), *reply.options)[-MAX_OPTIONS:],
            suggested_path=ruling.suggested_path,
            category=ruling.category,
            confidence=ruling.confidence,
            wants=ruling.wants,
            language=language,
        )
    if ruling.decision is Decision.ESCALATE:
        changes |= {"waiting_for_human": True, "question": None, "offered": None}
    click = click_of(state, message)
    if click is not None:
        changes |= {"offered": None, "path_instead": click.path}
    if ruling.decision is Decision.AUTOMATE and state.question is not None and "question" not in changes:
        answered_at = state.question.answered_at or message.occurred_at
        changes["question"] = state.question.model_copy(update={"answered_at": answered_at})
    return state.model_copy(update=changes).with_text(message)


def click_of(state: ConversationState, message: Message) -> Click | None:
    """The button of our last redirect that this message is, if it is one."""
    offered = state.offered
    if offered is None or message.clicked_option is None:
        return None
    for option in offered.options:
        if str(option.option_id) == message.clicked_option.lower():
            return Click(
                path=option.path,
                suggested=option.path == offered.suggested_path,
                confidence=offered.confidence,
                wants=offered.wants,
            )
    return None


def question_of(state: ConversationState, at: datetime) -> Question | None:
    """The question that a message written at this time can answer."""
    question = state.question
    if question is None:
        return None
    if question.answered_at is not None and at - question.answered_at > ANSWER_WINDOW:
        return None
    return Question(question.workflow, question.slot, question.category)


def path_of(state: ConversationState, message: Message) -> str:
    """The path that holds: what the channel newly names, else what took its place, else what the channel says."""
    renewed = message.chosen_path not in {state.channel_path, UNKNOWN_PATH}
    if state.path_instead is not None and not renewed:
        return state.path_instead
    return message.chosen_path or UNKNOWN_PATH
