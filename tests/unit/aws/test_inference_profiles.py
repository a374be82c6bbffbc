"""An application's own inference profile is priced by a row of its own."""

import pytest
from floodgate.bedrock.prices import PriceTable
from keyflow.errors import FatalError

OWN = "arn:aws:bedrock:eu-central-1:111122223333:application-inference-profile/ab12cd34ef56"


def test_a_profile_of_ones_own_has_the_price_that_stands_beside_its_arn() -> None:
    table = PriceTable.parse(
        f"{{dated: 2026-11-01, models: {{'{OWN}': {{input: 2, output: 3, regional_surcharge: 1.1}}}}}}", "mine"
    )
    assert table.price(OWN).input == 2


def test_a_profile_without_a_row_is_refused_by_its_name() -> None:
    with pytest.raises(FatalError, match="no price for the model 'arn:aws:bedrock"):
        PriceTable.load().price(OWN)
