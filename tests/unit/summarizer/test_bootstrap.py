"""The wiring of both processors, the language checks and the command line."""

from __future__ import annotations

import json
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from floodgate.events.serde import AvroSerde
from keyflow.errors import FatalError
from summarizer.adapters.nlu_language import NluLanguages
from summarizer.bootstrap import bootstrap
from summarizer.bootstrap_beside import build_batcher, build_ledger
from summarizer.cli import app
from summarizer.domain.features import feature_definitions
from summarizer.settings import FeatureStoreSettings, SummarizerSettings
from typer.testing import CliRunner

SERVED = ("nl", "fr", "es", "pl", "en", "de", "it", "pt", "sv", "cs")


def test_both_processors_are_wired_without_connecting_to_anything(catalogue, model):
    service = bootstrap(
        SummarizerSettings(),
        store_settings=FeatureStoreSettings(region="eu-west-1"),
        catalogue=catalogue,
        model=model,
        serde=AvroSerde("http://127.0.0.1:9"),
    )
    summarizing, storing = service.processors
    assert summarizing.name == "summarizer"
    assert summarizing.inputs == ("support.interactions", "support.summarizer.answered")
    assert (storing.name, storing.inputs) == ("summarizer-store", ("support.summaries",))
    assert summarizing.redrive_topic == "support.summarizer.redrive"
    assert storing.redrive_topic == "support.summarizer-store.redrive"
    # Neither has a deadline: an outage pauses them instead of making something up.
    assert summarizing.fallback is None
    assert storing.fallback is None
    assert summarizing.state is not None
    assert summarizing.state.changelog == "support.summarizer.state"


def test_the_command_line_finds_the_service_and_its_commands():
    (service,) = entry_points(group="floodgate.services", name="summarizer")
    (commands,) = entry_points(group="floodgate.commands", name="features")
    assert (service.value, commands.value) == ("summarizer.bootstrap:build", "summarizer.cli:app")


def test_the_batcher_and_the_ledger_are_wired_without_connecting_to_anything(monkeypatch):
    monkeypatch.setenv("FLOODGATE_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9")
    monkeypatch.setenv("FLOODGATE_SCHEMA_REGISTRY_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("FLOODGATE_CATALOGUE_DIR", str(Path(__file__).parents[3] / "catalogue"))
    monkeypatch.delenv("FLOODGATE_SUMMARIZER_BATCH_S3_URI", raising=False)
    assert build_batcher().tasks == ()
    monkeypatch.setenv("FLOODGATE_SUMMARIZER_BATCH_S3_URI", "s3://bucket/summaries")
    assert [task.name for task in build_batcher().tasks] == ["catalogue", "collector", "jobs"]
    assert [task.name for task in build_ledger().tasks] == ["ledger"]


def test_a_policy_for_batch_inference_that_nobody_runs_is_refused(catalogue, model, monkeypatch):
    monkeypatch.delenv("FLOODGATE_SUMMARIZER_BATCH_S3_URI", raising=False)
    with pytest.raises(FatalError, match="nothing runs batch inference"):
        bootstrap(
            SummarizerSettings(batch_after_hours=24.0),
            store_settings=FeatureStoreSettings(region="eu-west-1"),
            catalogue=catalogue,
            model=model,
            serde=AvroSerde("http://127.0.0.1:9"),
        )


def test_the_data_dictionary_lists_every_feature():
    shown = CliRunner().invoke(app, ["list", "--json"])
    assert [entry["name"] for entry in json.loads(shown.stdout)] == [f.name for f in feature_definitions()]
    assert "interaction_id" in CliRunner().invoke(app, ["list"]).stdout


@pytest.mark.parametrize("command", ["get", "setup", "list"])
def test_every_command_explains_itself(command):
    shown = CliRunner().invoke(app, [command, "--help"])
    assert shown.exit_code == 0
    assert "--json" in shown.stdout


def test_a_summary_in_another_language_is_noticed():
    languages = NluLanguages(SERVED, "en")
    dutch = "De klant heeft de tickets nog steeds niet ontvangen en wacht op antwoord."
    assert languages.is_other(dutch, "en")
    assert not languages.is_other(dutch, "nl")
    assert not languages.is_other("Tickets TK-48213", "pl")
    assert not languages.is_other(dutch, "da")


def test_the_declared_language_decides_only_for_short_texts():
    languages = NluLanguages(SERVED, "en")
    assert languages.identify("ok", None, "Vi har skickat biljetterna igen, de kommer inom en timme.") == "sv"
    assert languages.identify("ok", "sv") == "sv"
    assert languages.identify("I still have not received my tickets for the concert", "sv") == "en"
    assert NluLanguages(("en",), "en").identify("Stále jsem nedostala vstupenky", "de") == "en"
