"""The airline's workflows against an invented set of tasks, and against the public one where it lies beside us."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import yaml
from agent.backends.declared import CALLS
from agent.domain.library import Library
from floodgate.catalogue import load_catalogue
from floodgate_eval.airline.booking_system import read_backend
from floodgate_eval.airline.holding import REPEATS, hold, open_library
from floodgate_eval.airline.reading import Reading, ReadingError, read_readings, read_tasks
from floodgate_eval.cli import app
from typer.testing import CliRunner

ROOT = Path(__file__).resolve().parents[3]
AIRLINE = ROOT / "eval" / "airline"
PUBLIC = Path(os.environ.get("FLOODGATE_SHARED", ROOT.parent / "shared")) / "corpora" / "tau2_airline" / "tasks.jsonl"

ME = {"first_name": "Imogen", "last_name": "Vance", "dob": "1984-02-03"}
KNOWN = "You are Imogen Vance. Your user id is imogen_vance_1001."
UPGRADE = {
    "reservation_id": "QX4RT2",
    "cabin": "business",
    "flights": [{"flight_number": "HAT801", "date": "2024-05-20"}],
    "payment_id": "credit_card_1",
}
BOOKING = {
    "user_id": "imogen_vance_1001",
    "origin": "OSL",
    "destination": "BGO",
    "flight_type": "one_way",
    "cabin": "economy",
    "flights": [{"flight_number": "HAT802", "date": "2024-05-21"}],
    "passengers": [ME],
    "payment_methods": [
        {"payment_id": "certificate_1", "amount": 100},
        {"payment_id": "gift_card_1", "amount": 40},
        {"payment_id": "credit_card_1", "amount": 110},
    ],
    "total_baggages": 2,
    "nonfree_baggages": 1,
    "insurance": "no",
}
TASKS = {
    "refused": ("Cancel QX4RT2.", []),
    "insured": ("Cancel QX4RT2, you are ill.", [("cancel_reservation", {"reservation_id": "QX4RT2"})]),
    "upgrade then cancel": (
        "Cancel QX4RT2, if need be after an upgrade.",
        [("update_reservation_flights", UPGRADE), ("cancel_reservation", {"reservation_id": "QX4RT2"})],
    ),
    "too dear": ("Upgrade QX4RT2.", []),
    "compensation": (
        "QX4RT2 was cancelled by the airline.",
        [("send_certificate", {"user_id": "imogen_vance_1001", "amount": 200})],
    ),
    "no compensation": ("QX4RT2 is late.", []),
    "booking": ("Book a flight.", [("book_reservation", BOOKING)]),
    "person": ("Fly QX4RT2 elsewhere.", [("transfer_to_human_agents", {"summary": "x"})]),
}
TRIP = {"ways": ["OSL>BGO 05-20"], "numbers": "taken"}
CANCEL = {"do": "cancel_trip", "answers": {"trip_id": "$1", "reason": "health"}}
BUSINESS = {"do": "change_cabin", "answers": {"trip_id": "$1", "cabin": "business", "card": "~credit"}}
BOOK = {
    "trip_type": "one_way",
    "origin": "OSL",
    "destination": "BGO",
    "day_out": "2024-05-21",
    "cabin": "economy",
    "seats": "1",
    "order": "price",
    "out": {"rank": 2, "after": "08:00"},
    "who": "p1",
    "bags": "2",
    "insured": "no",
    "pays": ["~certificate", "~gift_card", "~credit"],
}
READINGS = {
    "refused": {"trips": [TRIP], "goals": [CANCEL]},
    "insured": {"trips": [{**TRIP, "insured": True}], "goals": [CANCEL]},
    "upgrade then cancel": {"trips": [TRIP], "goals": [CANCEL, {**BUSINESS, "when": "not done"}, CANCEL]},
    "too dear": {"trips": [TRIP], "goals": [{**BUSINESS, "at_most": 100}]},
    "compensation": {
        "membership": "silver",
        "trips": [{**TRIP, "cancelled_by_airline": True, "passengers": ["me", "other"]}],
        "goals": [{"do": "compensation", "answers": {"trip_id": "$1", "trouble": "cancelled"}}],
    },
    "no compensation": {
        "membership": "gold",
        "trips": [{**TRIP, "delayed": True}],
        "goals": [{"do": "compensation", "answers": {"trip_id": "$1", "trouble": "delayed"}}],
    },
    "booking": {
        "methods": ["certificate 100", "gift_card 40", "credit_card"],
        "offers": [
            {"way": "OSL>BGO 05-21 7-9", "prices": {"economy": 90}},
            {"way": "OSL>BGO 05-21 9-11", "prices": {"economy": 150}},
            {"way": "OSL>BGO 05-21 10-12", "take": [0], "prices": {"economy": "taken"}},
            {"way": "OSL>TRD>BGO 05-21 8-10+11-13", "prices": {"economy": 400}},
            {"way": "OSL>BGO 05-21 11-13", "prices": {"economy": 100}, "seats": 0},
        ],
        "goals": [{"do": "book_trip", "answers": BOOK}],
    },
    "person": {
        "trips": [TRIP],
        "goals": [{"do": "change_flights", "answers": {"trip_id": "$1", "part": "other_places"}}, {"do": "person"}],
    },
}


def rows() -> list[dict[str, object]]:
    return [
        {
            "id": name,
            "reason_for_call": reason,
            "task_instructions": "",
            "known_info": KNOWN,
            "actions": [{"name": called, "arguments": arguments} for called, arguments in actions],
        }
        for name, (reason, actions) in TASKS.items()
    ]


@pytest.fixture(scope="module")
def tasks_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("airline") / "tasks.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows()), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def airline() -> Library:
    return open_library(AIRLINE)


@pytest.fixture
def held(airline, tasks_file):
    tasks = read_tasks(tasks_file)
    return lambda name, library=airline: hold(library, tasks[name], Reading.model_validate(READINGS[name]))


@pytest.mark.parametrize("name", TASKS)
def test_exactly_the_expected_changes_are_made_and_the_same_four_times(held, name):
    found = held(name)
    assert found.why == ""
    assert found.reached
    assert found.same == REPEATS


def test_a_workflow_without_its_policy_check_is_found_out(held):
    catalogue = load_catalogue(AIRLINE / "catalogue")
    lenient = json.loads(json.dumps(catalogue.workflows["cancel_trip"], default=str))
    lenient["steps"]["policy"]["else"] = "confirm"
    del lenient["steps"]["not_allowed"]
    workflows = {**catalogue.workflows, "cancel_trip": lenient}
    library = Library(catalogue.model_copy(update={"workflows": workflows}), read_backend(AIRLINE))
    assert held("refused", library).why == "other actions"


def test_another_amount_of_the_same_action_is_not_the_same(airline, tasks_file):
    task = read_tasks(tasks_file)["compensation"]
    reading = Reading.model_validate(READINGS["compensation"] | {"trips": [{**TRIP, "cancelled_by_airline": True}]})
    assert hold(airline, task, reading).why == "other actions"


def test_an_expected_person_has_to_be_there(airline, tasks_file):
    reading = Reading.model_validate({**READINGS["person"], "goals": READINGS["person"]["goals"][:1]})
    assert hold(airline, read_tasks(tasks_file)["person"], reading).why == "no human has it"


def test_a_user_who_lacks_an_answer_is_told_of(airline, tasks_file):
    reading = Reading.model_validate({**READINGS["refused"], "goals": [{"do": "cancel_trip"}]})
    assert hold(airline, read_tasks(tasks_file)["refused"], reading).why == "the user cannot answer trip_id"


def test_the_command_tells_the_tasks_and_writes_the_figures(tasks_file, tmp_path):
    folder = tmp_path / "airline"
    folder.mkdir()
    for name in ("catalogue", "backend.yaml"):
        (folder / name).symlink_to(AIRLINE / name)
    (folder / "readings.yaml").write_text(yaml.safe_dump(READINGS), encoding="utf-8")
    out = tmp_path / "out.json"
    done = CliRunner().invoke(
        app, ["airline", "--tasks", str(tasks_file), "--folder", str(folder), "--json", str(out), "--only", "refused"]
    )
    assert done.exit_code == 0, done.output
    assert "1 of 1 tasks reached, 1 the same 4 times out of 4" in done.output
    assert json.loads(out.read_text())["by_task"][0]["reached"] is True


def test_a_file_that_holds_no_tasks_is_named_with_its_line(tmp_path):
    path = tmp_path / "tasks.jsonl"
    path.write_text('{"id": 1}\n', encoding="utf-8")
    with pytest.raises(ReadingError, match=r"tasks\.jsonl:1: no task of the set"):
        read_tasks(path)


def test_a_reading_with_a_typing_error_names_its_task(tmp_path):
    path = tmp_path / "readings.yaml"
    path.write_text('"7": {goal: []}', encoding="utf-8")
    with pytest.raises(ReadingError, match="task 7: goals: Field required; goal: Extra inputs"):
        read_readings(path)


def test_the_airline_shares_no_call_with_the_shop():
    assert not read_backend(AIRLINE).keys() & CALLS.keys()


@pytest.mark.skipif(not PUBLIC.exists(), reason="../shared is not beside the repository")
def test_nine_in_ten_of_the_public_tasks_are_reached_and_all_are_the_same_again(airline):
    """Twice each, to stay short; `floodgate eval airline` does it four times."""
    readings = read_readings(AIRLINE / "readings.yaml")
    found = [hold(airline, task, readings[name], repeats=2) for name, task in read_tasks(PUBLIC).items()]
    assert len(found) == 50
    assert sum(one.reached for one in found) >= 45
    assert all(one.same == 2 for one in found)


def test_every_declared_call_stands_in_the_description_of_the_booking_system():
    document = json.loads((AIRLINE / "openapi.json").read_text(encoding="utf-8"))
    for name, spec in read_backend(AIRLINE).items():
        operation = document["paths"][spec.path]["post" if spec.changes else "get"]
        assert operation["operationId"] == name
        in_path = {one["name"] for one in operation["parameters"] if one["in"] == "path"}
        assert in_path - {"user"} == spec.arguments.keys() - set(spec.body)
        content = operation.get("requestBody", {"content": {"application/json": {"schema": {"properties": {}}}}})
        assert content["content"]["application/json"]["schema"]["properties"].keys() == set(spec.body)
        answer = operation["responses"]["200"]["content"]["application/json"]["schema"]["properties"]
        assert answer.keys() == set(spec.fields)
