"""Written by `floodgate schemas generate` from the Avro files in schemas/. Do not edit."""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class AvroModel(BaseModel):
    """An immutable record; unknown members are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ActionStatus(StrEnum):
    """unknown: the backend did not answer."""

    DONE = 'done'
    REFUSED = 'refused'
    FAILED = 'failed'
    UNKNOWN = 'unknown'


class ApprovalDecision(StrEnum):
    """What was decided."""

    APPROVE = 'approve'
    REJECT = 'reject'
    EXPIRE = 'expire'
    UNKNOWN = 'unknown'


class FeedbackLabel(StrEnum):
    """Judgement."""

    OK = 'ok'
    WRONG_PATH = 'wrong_path'
    UNKNOWN = 'unknown'


class MessageKind(StrEnum):
    """What happened."""

    USER_MESSAGE = 'user_message'
    HUMAN_JOINED = 'human_joined'
    CLOSED = 'closed'
    REOPENED = 'reopened'
    UNKNOWN = 'unknown'


class SwitchMode(StrEnum):
    """The most that is allowed; on lifts the limit."""

    OBSERVE = 'observe'
    OFF = 'off'
    SHADOW = 'shadow'
    PROPOSE = 'propose'
    ON = 'on'
    UNKNOWN = 'unknown'


class TurnRole(StrEnum):
    """Who spoke."""

    CUSTOMER = 'customer'
    AGENT = 'agent'
    BOT = 'bot'
    SYSTEM = 'system'


class ProposalMode(StrEnum):
    """In which mode the workflow ran."""

    SHADOW = 'shadow'
    PROPOSE = 'propose'
    UNKNOWN = 'unknown'


class ProposalStatus(StrEnum):
    """How it stands."""

    OBSERVED = 'observed'
    PENDING = 'pending'
    APPROVED = 'approved'
    REJECTED = 'rejected'
    EXPIRED = 'expired'
    WITHDRAWN = 'withdrawn'
    UNKNOWN = 'unknown'


class ProposalOutcome(StrEnum):
    """How far the workflow came."""

    ASKS = 'asks'
    ACTS = 'acts'
    RESOLVES = 'resolves'
    HANDS_OVER = 'hands_over'
    UNKNOWN = 'unknown'


class Sentiment(StrEnum):
    """Of the customer."""

    POSITIVE = 'positive'
    NEUTRAL = 'neutral'
    NEGATIVE = 'negative'
    UNKNOWN = 'unknown'


class ResolutionStatus(StrEnum):
    """How it ended."""

    RESOLVED = 'resolved'
    ESCALATED = 'escalated'
    PENDING = 'pending'
    UNKNOWN = 'unknown'


class EscalationSource(StrEnum):
    """Service that hands over."""

    FIREWALL = 'firewall'
    AGENT = 'agent'
    UNKNOWN = 'unknown'


class Priority(StrEnum):
    """Queue priority."""

    LOW = 'low'
    NORMAL = 'normal'
    HIGH = 'high'
    UNKNOWN = 'unknown'


class Decision(StrEnum):
    """What happens next."""

    PASS = 'pass'
    REDIRECT = 'redirect'
    AUTOMATE = 'automate'
    ESCALATE = 'escalate'
    QUARANTINE = 'quarantine'
    UNKNOWN = 'unknown'


class Misuse(StrEnum):
    """Kind of misuse."""

    NONE = 'none'
    BYPASS = 'bypass'
    INJECTION = 'injection'
    ABUSE = 'abuse'
    SPAM = 'spam'
    UNKNOWN = 'unknown'


class ActionResult(AvroModel):
    """An action on a backend and what became of it."""

    action: str = Field(description='Name of the backend call.')
    idempotency_key: str = Field(description='The key that makes a repeat harmless.')
    status: ActionStatus = Field(description='What became of it.')
    detail: str = Field(default='', description='Code or reference from the backend, no personal data.')


class Approval(AvroModel):
    """support.approvals: what a person decided about a proposal."""

    event_id: UUID = Field(description="Derived from the channel's own id or, uuid5, from (causation_id, step): the same input gives the same id.")
    occurred_at: AwareDatetime = Field(description='When it happened, UTC; for a derived event, when its cause happened was handled.')
    causation_id: UUID | None = Field(default=None, description='The event that caused this one; null at the edge.')
    conversation_id: str = Field(description='Key of the topic.')
    proposal_id: UUID = Field(description='Which proposal.')
    decision: ApprovalDecision = Field(description='What was decided; expire: nobody did in time.')
    actor: str = Field(description="Who: an operator's login, or the local user of the command line.")
    reason: str = Field(default='', description='Why.')


class AuditEntry(AvroModel):
    """support.audit: a change that a person made."""

    event_id: UUID = Field(description="Derived from the channel's own id or, uuid5, from (causation_id, step): the same input gives the same id.")
    occurred_at: AwareDatetime = Field(description='When it happened, UTC; for a derived event, when its cause happened was handled.')
    causation_id: UUID | None = Field(default=None, description='The event that caused this one; null at the edge.')
    actor: str = Field(description="Who: an operator's login, or the local user of the command line.")
    action: str = Field(description='What was done: redrive, discard, mode, publish, rollback, unmask.')
    target: str = Field(description='To what.')
    reason: str = Field(default='', description='Why.')
    details: dict[str, str] = Field(default_factory=dict, description='Further particulars.')


class Citation(AvroModel):
    """A piece of curated knowledge that was used."""

    article_id: str = Field(description='Id of the article in the catalogue.')
    chunk_id: str = Field(description='Id of the passage within it.')
    title: str = Field(description='Title in the language of the passage.')
    language: str = Field(default='', description='ISO 639-1 code of the passage.')


class Feedback(AvroModel):
    """support.feedback: a reviewer's judgement of a verdict."""

    event_id: UUID = Field(description="Derived from the channel's own id or, uuid5, from (causation_id, step): the same input gives the same id.")
    occurred_at: AwareDatetime = Field(description='When it happened, UTC; for a derived event, when its cause happened was handled.')
    causation_id: UUID | None = Field(default=None, description='The event that caused this one; null at the edge.')
    conversation_id: str = Field(description='Key of the topic.')
    label: FeedbackLabel = Field(description='Judgement.')
    should_be: str | None = Field(default=None, description='Path where it should have gone.')
    source: str = Field(description='intercom, console or file.')
    reviewer: str = Field(default='', description='Pseudonym of the reviewer.')


class Message(AvroModel):
    """support.messages: what a user wrote and the path of buttons that they chose; also that a human joined, and that the conversation closed."""

    event_id: UUID = Field(description="Derived from the channel's own id or, uuid5, from (causation_id, step): the same input gives the same id.")
    occurred_at: AwareDatetime = Field(description='When it happened, UTC; for a derived event, when its cause happened was handled.')
    causation_id: UUID | None = Field(default=None, description='The event that caused this one; null at the edge.')
    conversation_id: str = Field(description="The channel's conversation, prefixed by the channel: intercom:123.")
    kind: MessageKind = Field(description='What happened.')
    channel: str = Field(description='intercom, rest, file or the name of an external connector.')
    channel_message_id: str = Field(default='', description="The channel's own id of this message or part.")
    contact_id: str = Field(description="Pseudonym of the person: the channel's or company's id, encrypted (AES-SIV); only a holder of the key can go back. Never a name, an address or a raw id.")
    contact_verified: bool = Field(default=False, description='True when the channel vouches for who the person is.')
    text: str = Field(default='', description='What the user wrote; empty for other kinds.')
    attachment_count: int = Field(default=0, description='How many files came with it.')
    chosen_path: str = Field(default='unknown', description="The path of buttons that the user chose; 'unknown' when the channel said nothing.")
    clicked_option: str | None = Field(default=None, description='option_id of the button that was pressed, when one was.')
    language: str | None = Field(default=None, description='ISO 639-1 code that the channel declares.')
    country: str | None = Field(default=None, description='ISO 3166-1 alpha-2 code that the channel declares.')


class Metric(AvroModel):
    """support.metrics: one additive figure of one window and cell, or an alert."""

    event_id: UUID = Field(description="Derived from the channel's own id or, uuid5, from (causation_id, step): the same input gives the same id.")
    occurred_at: AwareDatetime = Field(description='When it happened, UTC; for a derived event, when its cause happened was handled.')
    causation_id: UUID | None = Field(default=None, description='The event that caused this one; null at the edge.')
    name: str = Field(description='Name of the figure, dotted: verdicts, verdicts.urgent, cost_usd; of an alert: surge.<figure>, dead_letters.first, completeness.gap.')
    window_start: AwareDatetime = Field(description="Start of the window, inclusive, by event time (the record's occurred_at).")
    window_seconds: int = Field(description='Length of the window: 60, 900 or 3600.')
    dimensions: dict[str, str] = Field(default_factory=dict, description='category, language and country of the cell, always all three for a figure, empty when unknown; alerts have those that apply.')
    value: float = Field(description='The figure; cells of a window add up.')
    alert: str | None = Field(default=None, description='Why this is an alert; null for a plain figure.')
    revision: int = Field(default=0, description='0 when the window closed, higher for each correction by late events: of a window, name and dimensions the highest counts.')


class ModeChange(AvroModel):
    """support.modes: how far automation may go from now on, everywhere or in one category."""

    event_id: UUID = Field(description="Derived from the channel's own id or, uuid5, from (causation_id, step): the same input gives the same id.")
    occurred_at: AwareDatetime = Field(description='When it happened, UTC; for a derived event, when its cause happened was handled.')
    causation_id: UUID | None = Field(default=None, description='The event that caused this one; null at the edge.')
    target: str = Field(description='Key of the topic: a category of the catalogue, or * for everything.')
    mode: SwitchMode = Field(description='The most that is allowed; on lifts the limit.')
    actor: str = Field(description="Who: an operator's login, the local user of the command line, or evidence.")
    reason: str = Field(default='', description='Why.')


class ModelUsage(AvroModel):
    """What the model calls behind one record used and cost."""

    model_id: str = Field(default='', description='Model or inference profile that was called.')
    model_label: str = Field(default='', description="How the model is shown; says 'local model' when the local one answered.")
    input_tokens: int = Field(default=0, description='Input tokens that were not read from or written to the cache.')
    output_tokens: int = Field(default=0, description='Output tokens.')
    cache_read_tokens: int = Field(default=0, description='Input tokens read from the prompt cache.')
    cache_write_tokens: int = Field(default=0, description='Input tokens written to the prompt cache.')
    cost_usd: float = Field(default=0.0, description='US dollars, from usage and the dated price table.')
    latency_ms: int = Field(default=0, description='Milliseconds spent in model calls.')
    calls: int = Field(default=0, description='Number of model calls, repairs included.')
    mode: str = Field(default='online', description="'online', or 'batch' for batch inference, which costs about half.")


class RecordHeader(AvroModel):
    """One Kafka header."""

    key: str = Field(description='Name.')
    value: bytes | None = Field(default=None, description='Bytes as they stood.')


class ReplyOption(AvroModel):
    """A button."""

    option_id: UUID = Field(description='Comes back as clicked_option when the user presses it.')
    label: str = Field(description="What the button says, in the user's language.")
    path: str = Field(default='', description="The path that it stands for; 'person' asks for a human; empty for a workflow's own choice.")
    value: str = Field(default='', description='The slot value that it stands for, in a workflow.')


class Turn(AvroModel):
    """One turn of a finished interaction."""

    role: TurnRole = Field(description='Who spoke.')
    text: str = Field(description='What was said.')
    at: AwareDatetime | None = Field(default=None, description='When, if known.')


class Versions(AvroModel):
    """The versions that produced a record."""

    service: str = Field(default='', description='Version of the service.')
    catalogue: str = Field(default='', description='Version of the catalogue.')
    prompt: str = Field(default='', description='Name and version of the prompt; empty when no model was asked.')
    workflow: str = Field(default='', description='Name and version of the workflow; empty when none ran.')


class DeadLetter(AvroModel):
    """support.dead-letters: a record that could not be processed, as it stood."""

    event_id: UUID = Field(description="Derived from the channel's own id or, uuid5, from (causation_id, step): the same input gives the same id.")
    occurred_at: AwareDatetime = Field(description='When it happened, UTC; for a derived event, when its cause happened was handled.')
    causation_id: UUID | None = Field(default=None, description='The event that caused this one; null at the edge.')
    service: str = Field(description='Service that failed.')
    origin_topic: str = Field(description='Topic (or s3://bucket/key) that it came from.')
    origin_partition: int = Field(description='Partition; -1 outside Kafka.')
    origin_offset: int = Field(description='Offset; the line number for a file; -1 when unknown.')
    origin_timestamp: AwareDatetime | None = Field(default=None, description='Kafka timestamp.')
    key: bytes | None = Field(default=None, description='Original key.')
    value: bytes | None = Field(default=None, description='Original value.')
    headers: tuple[RecordHeader, ...] = Field(default=(), description='Original headers.')
    error_class: str = Field(description='poison, retries_exhausted or another class of the engine.')
    error_type: str = Field(default='', description='Type of the error.')
    reason: str = Field(description='One line for the operator, without payload text.')
    attempts: int = Field(description='How often it was tried.')
    raw_output: str | None = Field(default=None, description='Raw model output that broke the schema.')
    versions: dict[str, str] = Field(default_factory=dict, description='Versions that failed.')


class Interaction(AvroModel):
    """support.interactions: a finished interaction."""

    event_id: UUID = Field(description="Derived from the channel's own id or, uuid5, from (causation_id, step): the same input gives the same id.")
    occurred_at: AwareDatetime = Field(description='When it happened, UTC; for a derived event, when its cause happened was handled.')
    causation_id: UUID | None = Field(default=None, description='The event that caused this one; null at the edge.')
    interaction_id: UUID = Field(description='Key of the topic.')
    source: str = Field(description='s3, intercom or file.')
    channel: str = Field(default='', description='Where it took place.')
    contact_id: str = Field(default='', description='Pseudonym of the person.')
    conversation_id: str | None = Field(default=None, description='Conversation it came from, when it went through Floodgate.')
    country: str | None = Field(default=None, description='ISO 3166-1 alpha-2 code.')
    language: str | None = Field(default=None, description='ISO 639-1 code that the source declares.')
    chosen_path: str = Field(default='unknown', description="Path of buttons, or 'unknown'.")
    started_at: AwareDatetime | None = Field(default=None, description='When it began.')
    ended_at: AwareDatetime | None = Field(default=None, description='When it ended.')
    turns: tuple[Turn, ...] = Field(description='What was said, in order.')
    origin: str = Field(default='', description='Where it was read: bucket and key with line, file with line, or conversation.')


class OutboundReply(AvroModel):
    """What to say to the user, with its buttons."""

    text: str = Field(description="Plain text in the user's language.")
    language: str = Field(default='', description='ISO 639-1 code.')
    options: tuple[ReplyOption, ...] = Field(default=(), description='Buttons, at most ten.')


class Proposal(AvroModel):
    """support.proposals: what a workflow would do, beside a human (shadow) or waiting for one (propose)."""

    event_id: UUID = Field(description="Derived from the channel's own id or, uuid5, from (causation_id, step): the same input gives the same id.")
    occurred_at: AwareDatetime = Field(description='When it happened, UTC; for a derived event, when its cause happened was handled.')
    causation_id: UUID | None = Field(default=None, description='The event that caused this one; null at the edge.')
    proposal_id: UUID = Field(description='The same in all records of one proposal; the newest says how it stands.')
    conversation_id: str = Field(description='Key of the topic.')
    channel: str = Field(description='Channel of the conversation.')
    contact_id: str = Field(description='Pseudonym of the person.')
    mode: ProposalMode = Field(description='In which mode the workflow ran.')
    status: ProposalStatus = Field(description='How it stands; observed: computed in shadow, nobody has to decide.')
    outcome: ProposalOutcome = Field(description='How far the workflow came without acting.')
    workflow: str = Field(description='Id of the workflow.')
    step: str = Field(description='Step where it stands.')
    category: str | None = Field(default=None, description='Category of the catalogue.')
    action: str = Field(default='', description='Backend call; empty where none was reached.')
    arguments: dict[str, str] = Field(default_factory=dict, description='What the call would be given.')
    amount_cents: int = Field(default=0, description='Money that it moves.')
    idempotency_key: str = Field(default='', description='The key with which it is done once it is approved.')
    summary: str = Field(default='', description='What would be done, in one sentence.')
    text: str = Field(default='', description='What the user is told, or would be.')
    wants: str = Field(default='', description='What the user wants, one sentence.')
    slots: dict[str, str] = Field(default_factory=dict, description='Values that were read and validated.')
    steps: tuple[str, ...] = Field(default=(), description='Steps taken.')
    reason_code: str = Field(default='', description='Why it would hand over.')
    actor: str = Field(default='', description='Who decided.')
    reason: str = Field(default='', description='Why it was decided so.')
    language: str = Field(default='', description='ISO 639-1 code.')
    team: str | None = Field(default=None, description='Team of the catalogue whose people decide.')
    usage: ModelUsage = Field(default_factory=ModelUsage, description='Tokens and cost.')
    versions: Versions = Field(default_factory=Versions, description='What produced it.')
    expires_at: AwareDatetime | None = Field(default=None, description='After this a human goes on without it.')


class Summary(AvroModel):
    """support.summaries: the feature record of one interaction."""

    event_id: UUID = Field(description="Derived from the channel's own id or, uuid5, from (causation_id, step): the same input gives the same id.")
    occurred_at: AwareDatetime = Field(description='When it happened, UTC; for a derived event, when its cause happened was handled.')
    causation_id: UUID | None = Field(default=None, description='The event that caused this one; null at the edge.')
    interaction_id: UUID = Field(description='Key of the topic.')
    contact_id: str = Field(default='', description='Pseudonym of the person, for joins.')
    summary: str = Field(description='At most 200 characters, no personal data.')
    sentiment: Sentiment = Field(description="Of the customer; never 'unknown' when written.")
    primary_topic: str = Field(description="From the catalogue's taxonomy.")
    intent: str = Field(description="From the catalogue's taxonomy.")
    resolution_status: ResolutionStatus = Field(description="How it ended; never 'unknown' when written.")
    urgency_score: float = Field(description='0 to 1.')
    csat_indicator: float = Field(description='0 to 1.')
    language: str = Field(description='ISO 639-1 code of the interaction.')
    country: str | None = Field(default=None, description='ISO 3166-1 alpha-2 code.')
    model: str = Field(description="Model that wrote it; says 'local model' when the local one did.")
    repaired: bool = Field(default=False, description='True when the first answer broke the schema and the second held.')
    usage: ModelUsage = Field(default_factory=ModelUsage, description='Tokens and cost.')
    versions: Versions = Field(default_factory=Versions, description='What produced it.')
    feature_set_version: str = Field(default='', description='Prompt and calibration that the features come from; changes with either.')
    event_time: AwareDatetime = Field(description="When the interaction ended: the feature store's event time.")


class BatchAnswer(AvroModel):
    """support.summarizer.answered: what batch inference made of one interaction."""

    event_id: UUID = Field(description="Derived from the channel's own id or, uuid5, from (causation_id, step): the same input gives the same id.")
    occurred_at: AwareDatetime = Field(description='When it happened, UTC; for a derived event, when its cause happened was handled.')
    causation_id: UUID | None = Field(default=None, description='The event that caused this one; null at the edge.')
    interaction: Interaction = Field(description='The interaction that was sent to batch inference.')
    asked_at: AwareDatetime = Field(description='When it was sent to batch inference.')
    job: str = Field(default='', description='Name of the job; empty when there were too few records for one.')
    model_id: str = Field(default='', description='Model or inference profile of the job.')
    output: str | None = Field(default=None, description="The model's answer as JSON, as InvokeModel gives it; null when there is none.")
    error: str = Field(default='', description='Why there is no answer; empty when there is one.')
    versions: Versions = Field(default_factory=Versions, description='What asked.')


class Escalation(AvroModel):
    """support.escalations: structured hand-off for a human queue, with the reply that goes with it."""

    event_id: UUID = Field(description="Derived from the channel's own id or, uuid5, from (causation_id, step): the same input gives the same id.")
    occurred_at: AwareDatetime = Field(description='When it happened, UTC; for a derived event, when its cause happened was handled.')
    causation_id: UUID | None = Field(default=None, description='The event that caused this one; null at the edge.')
    conversation_id: str = Field(description='Key of the topic.')
    channel: str = Field(description='Channel of the conversation.')
    contact_id: str = Field(description='Pseudonym of the person.')
    source: EscalationSource = Field(description='Service that hands over.')
    reason_code: str = Field(description='Why, from a closed list: urgent, low_confidence, asked_for_person, redirected_twice, not_screened, injection, abuse, spam, over_limit, backend_refused, backend_failed, not_understood, not_verified, never_automate, poison.')
    priority: Priority = Field(description='Queue priority.')
    urgent: bool = Field(default=False, description='Whether an urgency rule holds.')
    urgency: float = Field(default=0.0, description='0 to 1.')
    urgency_reasons: tuple[str, ...] = Field(default=(), description='Ids of the urgency rules.')
    category: str | None = Field(default=None, description='Category of the catalogue.')
    team: str | None = Field(default=None, description='Team of the catalogue.')
    language: str = Field(default='', description='ISO 639-1 code.')
    country: str | None = Field(default=None, description='ISO 3166-1 alpha-2 code.')
    wants: str = Field(default='', description='What the user wants, one sentence.')
    slots: dict[str, str] = Field(default_factory=dict, description='Values that were read and validated.')
    steps: tuple[str, ...] = Field(default=(), description='Steps taken.')
    actions: tuple[ActionResult, ...] = Field(default=(), description='Actions done, with their results.')
    citations: tuple[Citation, ...] = Field(default=(), description='Knowledge that was used.')
    suggested_next_step: str = Field(default='', description='What a human would do next.')
    note: str = Field(default='', description='The hand-off as a note that a human likes to read.')
    reply: OutboundReply | None = Field(default=None, description='What the user is told.')
    transcript: tuple[Turn, ...] = Field(default=(), description='What was said in the workflow, personal data as placeholders, the latest last.')
    team_open: bool | None = Field(default=None, description='Whether the team was there when it was handed over; null: it has no hours.')
    team_back_at: AwareDatetime | None = Field(default=None, description='When a closed team is there again.')
    waiting: int = Field(default=0, description='Conversations that waited for the team before this one; 0 where nobody counts.')
    tags: tuple[str, ...] = Field(default=(), description='Tags to set.')
    usage: ModelUsage = Field(default_factory=ModelUsage, description='Tokens and cost.')
    versions: Versions = Field(default_factory=Versions, description='What produced it.')
    expires_at: AwareDatetime | None = Field(default=None, description='After this the reply is no longer sent; the hand-off still is.')


class Reply(AvroModel):
    """support.replies: what the agent says to the user, separate from any action."""

    event_id: UUID = Field(description="Derived from the channel's own id or, uuid5, from (causation_id, step): the same input gives the same id.")
    occurred_at: AwareDatetime = Field(description='When it happened, UTC; for a derived event, when its cause happened was handled.')
    causation_id: UUID | None = Field(default=None, description='The event that caused this one; null at the edge.')
    conversation_id: str = Field(description='Key of the topic.')
    channel: str = Field(description='Channel of the conversation.')
    contact_id: str = Field(description='Pseudonym of the person.')
    reply: OutboundReply = Field(description='What to say.')
    awaits: str | None = Field(default=None, description='Slot whose answer is awaited; null when none.')
    workflow: str = Field(default='', description='Workflow that speaks.')
    step: str = Field(default='', description='Step of it.')
    category: str | None = Field(default=None, description='Category of the case.')
    resolved: bool = Field(default=False, description='True when the case is resolved with this reply.')
    actions: tuple[ActionResult, ...] = Field(default=(), description='Actions that were done.')
    citations: tuple[Citation, ...] = Field(default=(), description='Knowledge that was used.')
    note: str = Field(default='', description='For colleagues, beside the reply: a decision is asked of them.')
    team: str | None = Field(default=None, description='Team of the catalogue that has to look at it.')
    tags: tuple[str, ...] = Field(default=(), description='Tags to set.')
    usage: ModelUsage = Field(default_factory=ModelUsage, description='Tokens and cost.')
    versions: Versions = Field(default_factory=Versions, description='What produced it.')
    expires_at: AwareDatetime | None = Field(default=None, description='After this it is no longer sent.')


class Verdict(AvroModel):
    """support.verdicts: what the firewall decided about one message."""

    event_id: UUID = Field(description="Derived from the channel's own id or, uuid5, from (causation_id, step): the same input gives the same id.")
    occurred_at: AwareDatetime = Field(description='When it happened, UTC; for a derived event, when its cause happened was handled.')
    causation_id: UUID | None = Field(default=None, description='The event that caused this one; null at the edge.')
    conversation_id: str = Field(description='Key of the topic.')
    decision: Decision = Field(description='What happens next.')
    message: Message = Field(description='The message itself.')
    category: str | None = Field(default=None, description='Category of the catalogue that the text belongs to.')
    matches_chosen_path: bool | None = Field(default=None, description='Whether the text belongs to the chosen path; null when no path was chosen or nothing could be said.')
    suggested_path: str | None = Field(default=None, description='Path where the text belongs.')
    misuse: Misuse = Field(description='Kind of misuse; bypass: a generic path was chosen though a specific one fits.')
    urgent: bool = Field(description='Whether an urgency rule holds.')
    urgency: float = Field(description='0 to 1.')
    urgency_reasons: tuple[str, ...] = Field(default=(), description='Ids of the urgency rules.')
    workflow: str | None = Field(default=None, description='Workflow that may resolve it.')
    wants: str = Field(default='', description='What the user wants, one sentence, personal data as placeholders.')
    confidence: float = Field(description='0 to 1.')
    evidence: tuple[str, ...] = Field(default=(), description='Words of the message that the decision rests on.')
    explanation: str = Field(description='The decision in one sentence.')
    language: str = Field(default='', description='ISO 639-1 code of the text, as identified.')
    country: str | None = Field(default=None, description='ISO 3166-1 alpha-2 code.')
    team: str | None = Field(default=None, description='Team of the catalogue whose queue it belongs to.')
    reply: OutboundReply | None = Field(default=None, description='What delivery says with this verdict: the redirect with its buttons.')
    redirect_count: int = Field(default=0, description='How often this conversation has been redirected, this one included.')
    mode: str = Field(default='', description='How far the category may be automated at that moment: off, shadow, propose, on; empty where no category is automated.')
    observed: str | None = Field(default=None, description='The decision that was not taken because Floodgate only observes here.')
    screened: bool = Field(default=True, description='False when no model could be asked in time and local rules decided alone.')
    citations: tuple[Citation, ...] = Field(default=(), description='Knowledge that was shown to the model and used.')
    usage: ModelUsage = Field(default_factory=ModelUsage, description='Tokens and cost.')
    versions: Versions = Field(default_factory=Versions, description='What produced it.')
    elapsed_ms: int = Field(default=0, description='From first attempt to decision.')


__all__ = ["ActionResult", "ActionStatus", "Approval", "ApprovalDecision", "AuditEntry", "AvroModel", "BatchAnswer", "Citation", "DeadLetter", "Decision", "Escalation", "EscalationSource", "Feedback", "FeedbackLabel", "Interaction", "Message", "MessageKind", "Metric", "Misuse", "ModeChange", "ModelUsage", "OutboundReply", "Priority", "Proposal", "ProposalMode", "ProposalOutcome", "ProposalStatus", "RecordHeader", "Reply", "ReplyOption", "ResolutionStatus", "Sentiment", "Summary", "SwitchMode", "Turn", "TurnRole", "Verdict", "Versions"]
