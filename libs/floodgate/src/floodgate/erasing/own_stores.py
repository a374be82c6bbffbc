"""The stores that belong to no single service, as far as the environment names them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from floodgate.erasing.catalogue_examples import CatalogueExamples
from floodgate.erasing.given_files import GivenFiles
from floodgate.erasing.intercom_contact import IntercomContact
from floodgate.erasing.opensearch_documents import Passages, Projection
from floodgate.erasing.stores import Store
from floodgate.events import Pseudonyms
from floodgate.intercom import IntercomSettings
from floodgate.settings import CatalogueSettings, OpenSearchSettings, load

_INDEX: Final = "floodgate-console"


def own_stores(pseudonyms: Pseudonyms | None, files: Sequence[Path]) -> tuple[list[Store], list[str]]:
    """The stores, and what cannot be searched with the variable that is missing.

    Raises:
        FatalError: A setting is wrong.
    """
    stores: list[Store] = [CatalogueExamples(load(CatalogueSettings)), *([GivenFiles(files)] if files else [])]
    unset = ["the shop, in its own administration"]
    if os.environ.get("FLOODGATE_OPENSEARCH_URL"):
        opensearch = load(OpenSearchSettings)
        index = os.environ.get("FLOODGATE_CONSOLE_INDEX", _INDEX)
        stores += [Projection(opensearch, index), Passages(opensearch)]
    else:
        unset.append("the console's projection and knowledge (FLOODGATE_OPENSEARCH_URL)")
    if pseudonyms is not None and os.environ.get("FLOODGATE_INTERCOM_CLIENT_SECRET"):
        stores.append(IntercomContact(load(IntercomSettings), pseudonyms))
    else:
        unset.append("Intercom (FLOODGATE_INTERCOM_TOKEN, FLOODGATE_PSEUDONYM_KEY)")
    if not files:
        unset.append("label files and exports (--in)")
    return stores, unset
