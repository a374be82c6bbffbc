"""The bill follows the stacks and the price files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import Synthesised
from floodgate_aws.__main__ import main
from floodgate_aws.costs import Infrastructure, model_usd_each, prices
from floodgate_aws.profile import LARGE, SMALL


def test_more_interactions_cost_more_in_all_and_less_each() -> None:
    few, many = (Infrastructure.of(SMALL, prices(), "eu.amazon.nova-lite-v1:0", count) for count in (30_000, 60_000))
    assert few.standing == many.standing
    assert few.usd_a_month < many.usd_a_month
    assert few.usd_each > many.usd_each


def test_the_table_adds_up(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cost", "--profile", "small", "--json"]) == 0
    [found] = json.loads(capsys.readouterr().out)
    parts = sum(found["standing_usd"].values()) + sum(found["varying_usd"].values())
    assert found["usd_a_month"] == pytest.approx(parts, abs=0.05)
    assert found["usd_an_interaction"] == pytest.approx(found["usd_a_month"] / 30_000, abs=1e-6)


def test_a_dearer_model_costs_more_and_a_regional_one_a_tenth_more() -> None:
    assert model_usd_each("eu.amazon.nova-pro-v1:0") > 5 * model_usd_each("eu.amazon.nova-lite-v1:0")
    plain, regional = (model_usd_each(f"{place}anthropic.claude-haiku-5-5") for place in ("", "eu."))
    assert regional == pytest.approx(1.1 * plain, rel=0.01)


@pytest.mark.parametrize(("arguments", "says"), [
    (["cost", "--model", "eu.nobody.knows-v1:0"], "no price for eu.nobody.knows-v1:0"),
    (["cost", "--prices", "/nowhere.yaml"], "/nowhere.yaml"),
])  # fmt: skip
def test_what_has_no_price_is_one_line(capsys: pytest.CaptureFixture[str], arguments: list[str], says: str) -> None:
    assert main(arguments) == 1
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1


def test_a_price_file_of_ones_own_has_to_have_every_row(tmp_path: Path) -> None:
    mine = tmp_path / "prices.yaml"
    mine.write_text(
        "{dated: 2026-01-01, region: x, source: me, hour: {}, gb_month: {}, gb: {}, million: {}, month: {}}"
    )
    with pytest.raises(ValueError, match=r"the price file has no hour\.kafka"):
        Infrastructure.of(SMALL, prices(mine), "eu.amazon.nova-lite-v1:0")


def test_what_is_counted_is_what_the_stacks_have(site: Synthesised) -> None:
    profile = site.site.profile
    assert profile in (SMALL, LARGE)
    assert len(site.properties("AWS::EC2::NatGateway")) == profile.nat_gateways
    interface = [each for each in site.properties("AWS::EC2::VPCEndpoint") if each["VpcEndpointType"] == "Interface"]
    assert {len(each["SubnetIds"]) for each in interface} == {profile.endpoint_zones}
    text = " ".join(Infrastructure.of(profile, prices(), "eu.amazon.nova-lite-v1:0").standing)
    assert f"Endpoints, {len(interface)} in {profile.endpoint_zones}" in text
    assert len(site.properties("AWS::SecretsManager::Secret")) + 1 == 11  # and the database's own
    assert len(site.properties("AWS::CloudWatch::Alarm")) == 16 + 3 * profile.brokers
