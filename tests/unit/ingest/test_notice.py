"""The words that tell a user of automation come from the catalogue, or the service does not start."""

from __future__ import annotations

from pathlib import Path

import pytest
from floodgate.catalogue import Catalogue, load_catalogue
from ingest.bootstrap import make_notice
from keyflow.errors import FatalError


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue(Path(__file__).parents[3] / "catalogue")


def test_every_language_of_the_catalogue_has_its_own_words(catalogue: Catalogue) -> None:
    notice = make_notice(catalogue)
    assert len({notice(language) for language in catalogue.languages}) == len(catalogue.languages)


def test_a_reply_in_no_known_language_gets_the_default_ones(catalogue: Catalogue) -> None:
    notice = make_notice(catalogue)
    assert notice("") == notice("xx") == notice(catalogue.default_language) != ""


def test_a_catalogue_without_the_words_stops_the_service(catalogue: Catalogue) -> None:
    with pytest.raises(FatalError, match="no template automated_notice"):
        make_notice(catalogue.model_copy(update={"templates": ()}))
