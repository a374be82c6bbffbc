"""What things are called on the pages, and what the words mean."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\uffff"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
"""Characters without a picture of their own: controls, marks of direction, halves of a pair, hidden tags."""


class Page(NamedTuple):
    """One entry of the navigation."""

    name: str
    path: str
    title: str


PAGES: Final = (
    Page("now", "/", "Now"),
    Page("conversation", "/conversations", "Conversation"),
    Page("firewall", "/firewall", "Firewall"),
    Page("agent", "/agent", "Agent"),
    Page("summaries", "/summaries", "Summaries"),
    Page("knowledge", "/knowledge", "Knowledge"),
    Page("letters", "/dead-letters", "Dead letters"),
    Page("topics", "/topics", "Topics"),
    Page("impact", "/impact", "Impact"),
)

TERMS: Final[dict[str, str]] = {
    "automation_rate": "Cases that a workflow resolved, of all conversations in which a customer wrote.",
    "urgent_queue": "How long the oldest urgent case waits that no person has taken and that is not closed.",
    "dead_letter": "A record that could not be processed. Nothing is lost: it stands here until somebody acts.",
    "lag": "Records that a service has not finished. It should fall back to nothing after a rush.",
    "oldest": "How long the oldest record waits that the service took up and has not finished.",
    "breaker": "Open: what the service calls is down, so it waits instead of failing. It closes by itself.",
    "verdict": "What the firewall decided: pass, redirect, automate, escalate or quarantine.",
    "cost": "At list price, from the tokens that the model counted.",
    "matrix": "Rows: the button the customer chose. Columns: what the text really asked for.",
    "redirect": "The customer was shown the path where the question belongs.",
    "bypass": "A general path such as Other was chosen though a specific one fits.",
    "false_alarm": "Verdicts that a reviewer called a wrong path, of those that were judged.",
    "unscreened": "No model answered in time: local rules decided and a person got the message.",
    "cache_share": "Input tokens that the model read from its cache, at a lower price.",
    "validity": "Feature records whose first answer fitted the schema; the rest was repaired once.",
    "drift": "How the mix of the last part of the time differs from the part before, from 0 to 1.",
    "completeness": "Finished interactions that became a feature record or a dead letter; the rest is still open.",
    "no_hit": "Questions for which no article was found or used.",
    "masked": "Texts of customers are hidden. Showing them needs a reason and is written to the audit.",
    "rehearse": "Runs today's code on the record and says what would happen. Nothing is written or sent.",
    "redrive": "Sends the record back to the one service that failed. It never goes twice.",
    "resolved_case": "Resolved by a workflow and not reopened within 7 days.",
    "baseline": "What was measured before Floodgate and recorded in the settings.",
    "p95": "95 of 100 were faster than this.",
    "windows": "Pulse counts each minute 15 seconds after its end, and corrects it when events come late.",
    "mode": "How far Floodgate may go by itself. A limit lowers what the catalogue allows and never raises it.",
}


def readable(name: object) -> str:
    """An identifier as words."""
    text = str(name or "").replace("_", " ").replace("support.", "")
    return text or "unknown"


def visible(text: str) -> str:
    """The same text with every unseen character as JSON writes it: none turns a line around or hides a word."""
    return _UNSEEN.sub(lambda found: _escaped(found[0]), text)


def _escaped(letter: str) -> str:
    units = letter.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
