"""The demo's written data: who says what, in which language, and that all of it can go in through the front doors."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest
import yaml
from floodgate.events import Interaction, Pseudonyms, TurnRole
from floodgate_demo.scenario import BROKEN, Click, Drop, Play, Scenario, load_scenario
from floodgate_local.shop.seed import EXTRA_SITUATIONS, LOCALES, SITUATIONS, situation_of
from ingest.domain.errors import DocumentError
from ingest.domain.lines import interaction_of, parse_line

CATALOGUE: Final = Path(os.environ.get("FLOODGATE_CATALOGUE_DIR") or Path(__file__).parents[3] / "catalogue")
READ_AT: Final = datetime(2026, 11, 22, tzinfo=UTC)

# Begins of the kinds that every language has to show.
REQUIRED_KINDS: Final = (
    "simple resend",
    "resend of two orders",
    "pending order",
    "cancel subscription",
    "cancel and change of mind",
    "cancelled already",
    "refund",
    "refund past the deadline",
    "refund over the limit",
    "refunded already",
    "wrong path",
    "wrong path twice then a person",
    "bypass",
    "injection",
    "hidden injection",
    "abuse",
    "right path",
    "nobody vouches",
    "nothing said",
    "asks for a person",
)
URGENT: Final = "urgent "
WORKFLOW_PATHS: Final = {"tickets/resend": "resend", "tickets/refund": "refund", "subscription/cancel": "cancel"}


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return load_scenario()


@pytest.fixture(scope="module")
def paths() -> frozenset[str]:
    document = yaml.safe_load((CATALOGUE / "paths.yaml").read_text(encoding="utf-8"))
    return frozenset(path["id"] for path in document["paths"])


def languages_of(plays: Iterable[Play]) -> dict[str, list[Play]]:
    found: dict[str, list[Play]] = {}
    for play in plays:
        found.setdefault(play.language, []).append(play)
    return found


def customers_of(language: str) -> frozenset[int]:
    """The shop's customers of a language."""
    block = [code for code, _ in LOCALES].index(language)
    first = len(SITUATIONS) * block + 1
    own = frozenset(range(first, first + len(SITUATIONS)))
    return own | frozenset(EXTRA_SITUATIONS) if language == "en" else own


def folded(text: str) -> str:
    return " ".join(text.casefold().split()).rstrip(".!?")


def lines_of(drop: Drop) -> list[bytes]:
    return [line for line in drop.body.splitlines() if line.strip()]


def read(line: bytes) -> Interaction:
    """Reads a line as ingest does.

    Raises:
        DocumentError: The line is broken.
    """
    pseudonyms = Pseudonyms(b"k" * 32)
    return interaction_of(parse_line(line), pseudonyms, source="s3", origin="s3://bucket/key#1", read_at=READ_AT)


def good_drops(scenario: Scenario) -> list[Drop]:
    return [drop for drop in scenario.drops if drop.name != f"{BROKEN}.jsonl"]


def broken_drop(scenario: Scenario) -> Drop:
    return next(drop for drop in scenario.drops if drop.name == f"{BROKEN}.jsonl")


def acts_on(play: Play) -> str | None:
    """What the play asks the shop to change: the workflow of its path, or of the path that it clicks."""
    clicked = [turn.click for turn in play.turns if isinstance(turn, Click)]
    if "no" in clicked or play.kind.startswith(("asks for a person", "wrong path", "urgent", "injection", "hidden")):
        return None
    wanted = [WORKFLOW_PATHS[path] for path in (play.path, *clicked) if path in WORKFLOW_PATHS]
    return wanted[0] if wanted else None


# Plays


def test_there_are_at_least_ten_languages_and_all_that_the_catalogue_serves(scenario: Scenario) -> None:
    catalogue = yaml.safe_load((CATALOGUE / "catalogue.yaml").read_text(encoding="utf-8"))
    languages = languages_of(scenario.plays)

    assert len(languages) >= 10
    assert set(languages) == set(catalogue["languages"])
    assert {drop.name.removesuffix(".jsonl") for drop in good_drops(scenario)} == set(languages)


def test_the_users_send_at_least_330_messages(scenario: Scenario) -> None:
    assert sum(len(play.turns) for play in scenario.plays) >= 330


def test_first_turns_and_drops_alone_come_near_to_what_the_demo_promises(scenario: Scenario) -> None:
    """300 messages and 200 interactions are promised; later turns are only played when an answer came."""
    assert len(scenario.plays) >= 270
    assert sum(drop.lines for drop in scenario.drops) >= 200


def test_every_play_has_an_id_of_its_own_that_names_its_language(scenario: Scenario) -> None:
    assert [play_id for play_id, count in Counter(play.id for play in scenario.plays).items() if count > 1] == []
    assert [play.id for play in scenario.plays if not play.id.startswith(f"{play.language}-")] == []


def test_languages_take_turns(scenario: Scenario) -> None:
    first_ten = [play.language for play in scenario.plays[:10]]

    assert len(set(first_ten)) == 10


@pytest.mark.parametrize("kind", REQUIRED_KINDS)
def test_every_language_shows(scenario: Scenario, kind: str) -> None:
    missing = [
        language
        for language, plays in languages_of(scenario.plays).items()
        if not any(play.kind == kind for play in plays)
    ]

    assert missing == []


def test_every_language_has_at_least_three_urgent_plays_and_together_they_show_every_rule(scenario: Scenario) -> None:
    rules = yaml.safe_load((CATALOGUE / "urgency.yaml").read_text(encoding="utf-8"))["rules"]
    urgent = [play for play in scenario.plays if play.kind.startswith(URGENT)]
    per_language = Counter(play.language for play in urgent)

    assert min(per_language[language] for language in languages_of(scenario.plays)) >= 3
    shown = {play.kind.removeprefix(URGENT).replace("-", "_").replace(" ", "_") for play in urgent}
    assert shown >= {rule["id"] for rule in rules} - {"safety_at_event"}
    assert any(kind.startswith("safety_at") for kind in shown)


def test_in_every_language_some_conversations_are_ended_by_a_human(scenario: Scenario) -> None:
    ended = Counter(play.language for play in scenario.plays if play.human is not None)

    assert min(ended[language] for language in languages_of(scenario.plays)) >= 3


def test_whoever_is_sent_the_wrong_way_twice_goes_on_writing(scenario: Scenario) -> None:
    insisting = [play for play in scenario.plays if play.kind == "wrong path twice then a person"]

    assert all(len(play.turns) == 3 for play in insisting)
    assert all(isinstance(turn, str) for play in insisting for turn in play.turns)


def test_reviewers_say_of_every_language_where_messages_belong(scenario: Scenario, paths: frozenset[str]) -> None:
    said = {(play.language, play.belongs) for play in scenario.plays if play.belongs is not None}

    assert {language for language, _ in said} == set(languages_of(scenario.plays))
    assert {path for _, path in said} <= paths


def test_every_chosen_and_clicked_path_exists_in_the_catalogue(scenario: Scenario, paths: frozenset[str]) -> None:
    chosen = {play.path for play in scenario.plays if play.path is not None}
    clicked = {turn.click for play in scenario.plays for turn in play.turns if isinstance(turn, Click)}
    clicked_paths = {click for click in clicked if "/" in click}

    assert chosen - paths == set()
    assert clicked_paths - paths == set()
    assert all(click in {"yes", "no", "person"} or click.startswith("TK-") for click in clicked - clicked_paths)


def test_the_first_turn_is_written_and_not_clicked(scenario: Scenario) -> None:
    assert [play.id for play in scenario.plays if isinstance(play.turns[0], Click)] == []


def test_no_user_repeats_an_example_of_the_catalogue(scenario: Scenario) -> None:
    """Else the demo would show that the model has a good memory."""
    examples = {
        folded(example)
        for file in (CATALOGUE / "categories").glob("*.yaml")
        for texts in yaml.safe_load(file.read_text(encoding="utf-8"))["examples"].values()
        for example in texts
    }
    assert len(examples) > 1000

    said = [(play.id, turn) for play in scenario.plays for turn in play.turns if isinstance(turn, str)]
    assert [play_id for play_id, text in said if folded(text) in examples] == []


def test_no_user_says_what_another_says(scenario: Scenario) -> None:
    """Short answers aside, which are alike everywhere."""
    said = Counter(folded(turn) for play in scenario.plays for turn in play.turns if isinstance(turn, str))

    assert [text for text, count in said.items() if count > 1 and len(text) > 20] == []


# Customers


def test_the_customers_of_a_play_speak_its_language(scenario: Scenario) -> None:
    strangers = [
        play.id
        for play in scenario.plays
        if play.customer is not None and play.customer not in customers_of(play.language)
    ]

    assert strangers == []


def test_an_order_that_is_named_belongs_to_the_customer_unless_nobody_vouches_for_them(scenario: Scenario) -> None:
    def named(play: Play) -> set[str]:
        texts = [turn.click if isinstance(turn, Click) else turn for turn in play.turns]
        words = " ".join(texts).replace("?", " ").replace(",", " ").replace(".", " ").replace(":", " ")
        return {word.rstrip("!;'\"") for word in words.split() if word.startswith("TK-")}

    for play in scenario.plays:
        if play.customer is not None:
            assert named(play) <= {f"TK-{40_000 + play.customer}", f"TK-{50_000 + play.customer}"}, play.id


def test_no_two_plays_that_run_at_once_change_the_same_thing(scenario: Scenario) -> None:
    """One cancels a subscription; who gets a refund does nothing else with the order."""
    doing: Mapping[tuple[int, str], int] = Counter(
        (play.customer, action)
        for play in scenario.plays
        if play.customer is not None and (action := acts_on(play)) is not None
    )
    refundable = {
        customer
        for customer, action in doing
        if action == "refund" and situation_of(customer) in {"refundable", "half_refunded"}
    }

    assert [key for key, count in doing.items() if count > 1] == []
    assert [customer for customer in refundable if (customer, "resend") in doing] == []


@pytest.mark.parametrize(
    ("kind", "situation"),
    [
        ("pending order", "pending_order"),
        ("cancelled already", "cancelled_subscription"),
        ("resend of two orders", "two_orders"),
        ("refund", "refundable"),
        ("refund past the deadline", "past_deadline"),
        ("refund over the limit", "over_limit"),
        ("refunded already", "already_refunded"),
        ("event cancelled", "cancelled_event"),
        ("past event", "past_event"),
        ("frozen account", "account_frozen"),
        ("frozen subscription", "frozen_subscription"),
        ("refund of what is left", "half_refunded"),
    ],
)
def test_the_shop_has_the_situation_that_the_play_shows(scenario: Scenario, kind: str, situation: str) -> None:
    plays = [play for play in scenario.plays if play.kind == kind]

    assert plays
    assert {situation_of(play.customer or 0) for play in plays} == {situation}


def test_those_for_whom_nobody_vouches_have_no_customer(scenario: Scenario) -> None:
    assert all(play.customer is None for play in scenario.plays if play.kind == "nobody vouches")


# Finished interactions


def test_at_least_205_finished_interactions_can_be_read_by_ingest(scenario: Scenario) -> None:
    read_lines = [read(line) for drop in good_drops(scenario) for line in lines_of(drop)]

    assert len(read_lines) >= 205
    assert len({line.interaction_id for line in read_lines}) == len(read_lines)
    assert {line.interaction_id.version for line in read_lines} == {4}


def test_interactions_are_dialogues_of_two_to_eight_turns(scenario: Scenario) -> None:
    for drop in good_drops(scenario):
        for line in lines_of(drop):
            interaction = read(line)
            roles = {turn.role for turn in interaction.turns}
            assert 2 <= len(interaction.turns) <= 8, interaction.interaction_id
            assert TurnRole.CUSTOMER in roles, interaction.interaction_id
            assert roles & {TurnRole.AGENT, TurnRole.BOT}, interaction.interaction_id


def test_interactions_end_after_they_began_and_in_november_2026(scenario: Scenario) -> None:
    for drop in good_drops(scenario):
        for interaction in map(read, lines_of(drop)):
            assert interaction.started_at is not None
            assert interaction.ended_at is not None
            assert interaction.started_at < interaction.ended_at
            assert {(at.year, at.month) for at in (interaction.started_at, interaction.ended_at)} == {(2026, 11)}


def test_the_language_is_told_in_most_interactions_and_left_to_be_identified_in_the_rest(scenario: Scenario) -> None:
    for drop in good_drops(scenario):
        language = drop.name.removesuffix(".jsonl")
        told = [read(line).language for line in lines_of(drop)]
        assert set(told) == {language, None}
        assert len(told) * 0.5 < told.count(language) < len(told) * 0.8


def test_interactions_of_every_language_cover_every_path(scenario: Scenario, paths: frozenset[str]) -> None:
    for drop in good_drops(scenario):
        assert {read(line).chosen_path for line in lines_of(drop)} >= paths - {"other"}, drop.name


def test_interactions_hold_invented_personal_data_only_at_example_org(scenario: Scenario) -> None:
    texts = [turn.text for drop in good_drops(scenario) for line in lines_of(drop) for turn in read(line).turns]
    addresses = [word.rstrip(".,;?!)") for text in texts for word in text.split() if "@" in word]

    assert len(addresses) >= 15
    assert [address for address in addresses if not address.endswith("example.org")] == []


def test_four_lines_of_the_broken_file_are_broken_and_the_rest_of_it_is_not(scenario: Scenario) -> None:
    broken: list[int] = []
    good: list[Interaction] = []
    for number, line in enumerate(lines_of(broken_drop(scenario)), start=1):
        try:
            good.append(read(line))
        except DocumentError:
            broken.append(number)

    assert len(broken) == 4
    assert len(good) >= 2
    assert min(broken) == 1, "what follows a broken line must be seen to be processed"
    elsewhere = {read(line).interaction_id for drop in good_drops(scenario) for line in lines_of(drop)}
    assert {line.interaction_id for line in good} & elsewhere == set()


def test_a_drop_counts_its_lines_that_hold_something() -> None:
    assert Drop(name="x.jsonl", body=b'{"a": 1}\n\n  \n{"b": 2}').lines == 2


def test_what_is_put_onto_the_raw_topic_cannot_be_read_as_a_notification(scenario: Scenario) -> None:
    def is_notification(value: bytes) -> bool:
        try:
            document = json.loads(value)
        except ValueError:
            return False
        return isinstance(document.get("data"), dict)

    assert len(scenario.broken_raw) >= 3
    assert [value for value in scenario.broken_raw if is_notification(value)] == []
