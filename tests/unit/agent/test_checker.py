"""The checker: every rule is broken once, and says where."""

from __future__ import annotations

import copy
import re
import shutil
from pathlib import Path

import pytest
import yaml
from agent.backends.declared import CALLS
from agent.cli import app
from agent.domain.checker import check_workflow
from agent.domain.expressions import Expressions
from agent.domain.library import Library
from agent.domain.model import WorkflowError, edges
from agent.domain.parsing import parse_workflow
from typer.testing import CliRunner

CATALOGUE = Path(__file__).resolve().parents[3] / "catalogue"


@pytest.fixture(scope="module")
def check(real_catalogue):
    catalogue = real_catalogue()

    def run(name, change):
        raw = copy.deepcopy(catalogue.workflows[name])
        change(raw)
        workflow = parse_workflow(name, raw, f"workflows/{name}.yaml")
        return [str(found) for found in check_workflow(workflow, catalogue, Expressions(), CALLS)]

    return run


def step(name, **changes):
    return lambda raw: raw["steps"][name].update(changes)


def test_the_twelve_workflows_hold_together(library):
    assert sorted(library.workflows) == [
        "apply_promo",
        "cancel_subscription",
        "change_email",
        "change_seat",
        "invoice_copy",
        "order_status",
        "playback_help",
        "refund_duplicate",
        "refund_order",
        "report_lost_item",
        "resend_tickets",
        "reset_sign_in",
    ]


@pytest.mark.parametrize(
    ("name", "change", "finding"),
    [
        (
            "refund_order",
            step("confirm", agreed="nowhere"),
            "step confirm: agreed leads to 'nowhere', which is no step",
        ),
        ("refund_order", lambda raw: raw.update(start="x"), "start is 'x', which is no step"),
        ("refund_order", step("kept", do="say", next="kept"), "step kept: is in a circle without a question"),
        ("refund_order", step("kept", do="say", next="kept"), "step kept: cannot end"),
        (
            "refund_order",
            step("why_not", cases=[{"if": "true", "next": "refused"}]),
            "step deadline_just_passed: is never reached",
        ),
        ("refund_order", step("policy", **{"else": "refund"}), "step refund: can be reached without a yes to confirm"),
        ("refund_order", step("confirm", agreed="work_out"), "step refund: is never reached"),
        ("refund_order", step("refund", confirmed_by=[]), "step refund: changes something without confirmed_by"),
        (
            "refund_order",
            step("refund", confirmed_by=["policy"]),
            "confirmed_by names 'policy', which is no confirm step",
        ),
        (
            "refund_order",
            step("refund", max_amount_cents=None),
            "refund_order moves money, so it needs max_amount_cents",
        ),
        ("refund_order", step("refund", harmless="it is only money"), "it cannot be harmless"),
        (
            "refund_order",
            step(
                "refund", **{"with": {"order_number": "data.order.number", "amount_cents": "data.order.amount_cents"}}
            ),
            "moves data.order.amount_cents, which confirm does not show",
        ),
        ("refund_order", step("fetch", call="nothing"), "step fetch: there is no call 'nothing'"),
        ("refund_order", step("fetch", **{"with": {}}), "step fetch: get_order needs 'order_number' under `with`"),
        ("refund_order", step("fetch", call="list_orders"), "step fetch: list_orders takes no 'order_number'"),
        ("refund_order", step("fetch", call="resend_tickets"), "step fetch: resend_tickets changes something"),
        (
            "refund_order",
            step("which_way", **{"else": "fetch"}),
            "with.order_number: slots.order_number may not be set yet",
        ),
        ("refund_order", step("find_orders", found="work_out"), "data.order may not be set yet"),
        (
            "refund_order",
            step("fetch", not_found="work_out"),
            "step work_out: values.amount_cents: data.order may not be",
        ),
        (
            "refund_order",
            step(
                "take_only_one",
                do="look_up",
                call="get_order",
                save_as="order",
                found="work_out",
                not_found="refused",
                failed="refused",
                **{"with": {"order_number": "'TK-1'"}},
                values=None,
            ),
            "take_only_one",
        ),
        ("refund_order", step("fetch", save_as="order_"), "data.order may not be set yet"),
        (
            "resend_tickets",
            step("keep_upcoming", values={"upcoming": "data.found.order"}),
            "data.found.order is not what the call answers (code, orders, outcome)",
        ),
        (
            "refund_order",
            step("policy", cases=[{"if": "a +", "next": "confirm"}]),
            "step policy: case 1: not a CEL expression",
        ),
        ("refund_order", step("policy", cases=[{"if": "user.vip", "next": "confirm"}]), "'user' is not known here"),
        ("refund_order", step("policy", cases=[{"if": "item.x", "next": "confirm"}]), "'item' is not known here"),
        (
            "refund_order",
            step("ask_number", slot="size"),
            "step ask_number: asks for 'size', which is not among the slots",
        ),
        (
            "cancel_subscription",
            step("which_one", choices=None),
            "asks for the choice 'subscription_id' without choices",
        ),
        (
            "cancel_subscription",
            step("cancel", undo={"call": "resume_subscription", "with": {"subscription_id": "1"}}),
            "step cancel: undo.with.subscription_id: has to be string, not int: 1",
        ),
        (
            "cancel_subscription",
            step("cancel", undo={"call": "resume_subscription", "with": {"subscription_id": "data.picked.id"}}),
            "step cancel: undo.with.subscription_id: data.picked may not be set yet",
        ),
        ("refund_order", step("refused", reason="because"), "step refused: reason 'because' is not one of"),
        ("refund_order", step("refused", team="nobody"), "step refused: team 'nobody' is not in teams.yaml"),
        ("refund_order", lambda raw: raw.update(category="x"), "category 'x' does not exist"),
        ("refund_order", lambda raw: raw.update(category="resend_tickets"), "does not name this workflow"),
        (
            "refund_order",
            step("kept", say={"template": "nothing"}),
            "step kept: there is no template 'wf_refund_order_nothing'",
        ),
        ("refund_order", step("done", say={"template": "done"}), "in nl uses {amount}, which is not given"),
        ("refund_order", step("kept", say={"template": "kept", "places": {"x": "'y'"}}), "in nl leaves out {x}"),
        (
            "refund_order",
            step(
                "already_refunded",
                say={"template": "already_refunded", "places": {"order_number": {"value": "1", "as": "money"}}},
            ),
            "place 'order_number' is money without a currency",
        ),
        (
            "refund_order",
            lambda raw: raw["slots"].update(confirmation={"type": "text", "description": "x"}),
            "give the slot another name",
        ),
    ],
)
def test_every_fault_is_found_and_says_where(check, name, change, finding):
    try:
        found = check(name, change)
    except WorkflowError as error:
        found = str(error).splitlines()
    assert any(finding in line for line in found), found
    assert all(line.startswith(f"workflows/{name}.yaml") for line in found)


def test_a_workflow_that_resolves_nothing_is_found(check):
    def only_hand_overs(raw):
        for name in ("done", "kept"):
            raw["steps"][name].update(do="hand_over", reason="over_limit", suggested_next_step="Look at the case.")

    assert "workflows/refund_order.yaml: resolves nothing: no step is a resolve" in check(
        "refund_order", only_hand_overs
    )


def test_a_declared_harmless_action_that_is_also_confirmed_is_undecided(check):
    found = check("resend_tickets", step("resend", confirmed_by=["is_it_this_one"]))
    assert any("harmless and confirmed_by; choose one" in line for line in found)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            step("kept", colour="red"),
            "workflows/refund_order.yaml: step kept: resolve.colour: Extra inputs are not permitted",
        ),
        (lambda raw: raw.update(id="other"), "give the file and the id the same name"),
        (lambda raw: raw.pop("start"), "workflows/refund_order.yaml: start: Field required"),
        (step("refund", max_amount_cents=-1), "step refund: act.max_amount_cents"),
        (lambda raw: raw["steps"].update(Bad={"do": "say"}), "step Bad: say.next: Field required"),
    ],
)
def test_a_file_that_is_no_workflow_is_refused_with_file_and_step(real_catalogue, change, message):
    raw = real_catalogue().workflows["refund_order"]
    change(raw)
    with pytest.raises(WorkflowError) as caught:
        parse_workflow("refund_order", raw, "workflows/refund_order.yaml")
    assert message in str(caught.value)


def test_a_library_with_a_faulty_workflow_is_refused_as_a_whole(real_catalogue):
    catalogue = real_catalogue()
    catalogue.workflows["refund_order"]["steps"]["refund"]["max_amount_cents"] = None
    with pytest.raises(WorkflowError, match="step refund: refund_order moves money"):
        Library(catalogue)


def test_a_change_gives_a_workflow_another_reference(real_catalogue):
    raw = real_catalogue().workflows["refund_order"]
    before = parse_workflow("refund_order", raw, "f").reference
    raw["steps"]["refund"]["max_amount_cents"] = 20_000
    assert parse_workflow("refund_order", raw, "f").reference != before


def test_every_step_of_the_real_workflows_leads_somewhere_or_ends(library):
    for workflow in library.workflows.values():
        for found in workflow.steps.values():
            assert found.do in {"resolve", "hand_over"} or list(edges(found))


def test_the_command_checks_the_real_catalogue():
    result = CliRunner().invoke(app, ["check", "--catalogue", str(CATALOGUE)])
    assert result.exit_code == 0, result.output
    assert "12 workflows hold together" in result.output


def test_the_command_names_file_and_step_of_a_fault(tmp_path):
    shutil.copytree(CATALOGUE, tmp_path / "catalogue")
    file = tmp_path / "catalogue" / "workflows" / "refund_order.yaml"
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    content["steps"]["policy"]["else"] = "refund"
    content["review_by"] = str(content["review_by"])
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    result = CliRunner().invoke(app, ["check", "--catalogue", str(tmp_path / "catalogue"), "--json"])
    assert result.exit_code == 1
    assert re.search(r"workflows/refund_order.yaml:\d+: step refund: can be reached without a yes", result.output)


def test_one_can_talk_to_a_workflow_in_the_terminal():
    said = [
        "done",
        '{"subscriptions": [{"id": "SUB-1", "plan": "P", "status": "active", "renews_at": null}]}',
        "Ja",
        "refused",
        "x",
    ]
    result = CliRunner().invoke(
        app,
        ["simulate", "cancel_subscription", "--language", "nl", "--message", "opzeggen", "--catalogue", str(CATALOGUE)],
        input="\n".join(said) + "\n",
    )
    assert result.exit_code == 0, result.output
    assert "Zal ik dat doen?" in result.output
    assert "backend_refused" in result.output


def test_answers_of_the_tests_can_be_named_and_what_is_no_answer_is_asked_again():
    result = CliRunner().invoke(
        app,
        ["simulate", "change_seat", "--message", "another evening, TK-40001", "--catalogue", str(CATALOGUE)],
        input="Another date\ndone one\nperhaps\ndone {\ndone it\ndone two\n29 December\nyes\nrefused account_frozen\n",
    )
    assert result.exit_code == 0, result.output
    assert "'perhaps' is none of these" in result.output
    assert result.output.count("that is no answer") == 1
    assert "[ends: handed_over backend_refused]" in result.output
    assert "[for the human: The account is locked" in result.output


def test_the_edges_of_a_workflow_are_listed():
    result = CliRunner().invoke(app, ["edges", "refund_order", "--catalogue", str(CATALOGUE)])
    assert "confirm --agreed--> refund" in result.output
    assert CliRunner().invoke(app, ["edges", "nothing", "--catalogue", str(CATALOGUE)]).exit_code == 2
