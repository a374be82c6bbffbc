"""Prompt files, the schemas of their tools, and the price table."""

from pathlib import Path
from typing import Any, Literal

import pytest
from floodgate.bedrock import PriceTable, load_prompt
from floodgate.bedrock.prompts import parse_prompt
from floodgate.bedrock.schema import tool_schema
from keyflow.errors import FatalError
from pydantic import BaseModel, Field

FILE = """---
name: verdict
version: 3
tool: report_verdict
description: Report the verdict.
max_tokens: 120
---
Choose one of:
{{categories}}

Answer in {{ language }}.
"""


class Evidence(BaseModel):
    quote: str
    title: str


class Output(BaseModel):
    path: Literal["a", "b"]
    evidence: list[Evidence] = Field(max_length=3)
    best: Evidence | None = None


class Loop(BaseModel):
    inner: "Loop | None" = None


def parse(text: str = FILE, output: type[BaseModel] = Output, **fixed: str) -> Any:
    return parse_prompt(text, "the prompt x.md", output, fixed)


def test_places_are_filled_and_front_matter_is_read() -> None:
    prompt = parse(categories="- a\n- b", language="Dutch")
    assert prompt.system == "Choose one of:\n- a\n- b\n\nAnswer in Dutch."
    assert (prompt.name, prompt.version, prompt.tool_name, prompt.max_tokens) == ("verdict", "3", "report_verdict", 120)


def test_text_that_is_filled_in_is_not_filled_again() -> None:
    assert "{{language}}" in parse(categories="{{language}}", language="Dutch").system


@pytest.mark.parametrize(
    ("text", "fixed", "words"),
    [
        (FILE, {"categories": "c"}, "nothing given for {{language}}"),
        (FILE, {"categories": "c", "language": "l", "tone": "t"}, "has no place {{tone}}"),
        ("no front matter", {}, "must begin with front matter"),
        (FILE.replace("max_tokens: 120", "max_tokens: many"), {}, "max_tokens"),
        (FILE.replace("tool: report_verdict", "tool: two words"), {}, "tool"),
        (FILE.replace("name: verdict\n", ""), {}, "name: Field required"),
        (FILE.replace("name: verdict", "name: [verdict"), {}, "not valid YAML"),
        (FILE.replace("version: 3", "version: 3\nmodel: x"), {}, "model"),
    ],
)
def test_a_prompt_that_cannot_be_used_is_refused_by_name(text: str, fixed: dict[str, str], words: str) -> None:
    with pytest.raises(FatalError, match=r"x\.md") as refused:
        parse_prompt(text, "the prompt x.md", Output, fixed)
    assert words in str(refused.value)


def test_a_file_is_read_from_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "invented_prompts"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "verdict.md").write_text(FILE)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert load_prompt("invented_prompts", "verdict.md", Output, categories="c", language="l").version == "3"
    with pytest.raises(FatalError, match=r"invented_prompts/missing\.md"):
        load_prompt("invented_prompts", "missing.md", Output)


def test_a_schema_has_its_references_in_place_and_no_titles_but_fields_so_named() -> None:
    schema = tool_schema(Output)
    evidence = {
        "type": "object",
        "properties": {"quote": {"type": "string"}, "title": {"type": "string"}},
        "required": ["quote", "title"],
    }
    assert set(schema) == {"type", "properties", "required"}
    assert schema["properties"]["evidence"] == {"items": evidence, "maxItems": 3, "type": "array"}
    assert schema["properties"]["best"]["anyOf"][0] == evidence
    assert "$ref" not in repr(schema)


def test_an_output_that_refers_to_itself_is_refused() -> None:
    with pytest.raises(FatalError, match="refers to itself"):
        parse(output=Loop, categories="c", language="l")


def test_the_packaged_table_prices_an_interaction_as_published() -> None:
    table = PriceTable.load()
    nova, sonnet = table.price("amazon.nova-lite-v1:0"), table.price("anthropic.claude-sonnet-4-5-20250929-v1:0")
    assert nova.cost_usd(2_200, 150) == pytest.approx(0.000168)
    assert nova.cost_usd(700, 150, cache_read_tokens=1_500) == pytest.approx(0.000100, abs=1e-6)
    assert sonnet.cost_usd(700, 150, cache_read_tokens=1_500) == pytest.approx(0.0048)


def test_regional_profiles_of_claude_cost_a_tenth_more() -> None:
    table = PriceTable.load()
    plain, regional = (
        table.price(f"{prefix}anthropic.claude-haiku-4-5-20251001-v1:0") for prefix in ("global.", "eu.")
    )
    assert regional.cost_usd(1_000, 1_000, 1_000, 1_000) == pytest.approx(
        1.1 * plain.cost_usd(1_000, 1_000, 1_000, 1_000)
    )
    assert table.price("eu.amazon.nova-lite-v1:0").input == 0.06


def test_an_arn_finds_its_row() -> None:
    arn = "arn:aws:bedrock:eu-central-1:000000000000:inference-profile/eu.amazon.nova-pro-v1:0"
    assert PriceTable.load().price(arn).output == 3.2


def test_a_table_of_ones_own_replaces_the_packaged_one(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("dated: 2026-12-01\nmodels:\n  acme.model-v1: {input: 1, output: 2}\n")
    table = PriceTable.load(own)
    assert table.price("acme.model-v1").most_usd(1_000_000, 1_000_000) == 3
    with pytest.raises(FatalError, match=r"own\.yaml"):
        table.price("amazon.nova-lite-v1:0")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("dated: 2026-12-01\nmodels:\n  m: {input: -1, output: 2}\n", "models.m.input"),
        ("dated: 2026-12-01\nmodels:\n  m: {input: 1, output: 2, typo: 3}\n", "models.m.typo"),
        ("models: {}\n", "dated"),
        ("a: [", "not valid YAML"),
    ],
)
def test_a_wrong_table_is_refused_by_row(text: str, words: str) -> None:
    with pytest.raises(FatalError, match=r"own\.yaml") as refused:
        PriceTable.parse(text, "own.yaml")
    assert words in str(refused.value)
