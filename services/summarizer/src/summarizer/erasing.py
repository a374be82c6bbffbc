"""Where the summarizer keeps a person outside of Kafka, for `floodgate erase`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final

from floodgate.committed import CommittedRecords
from floodgate.erasing.planning import Place, Sought
from floodgate.erasing.s3_lines import S3Lines
from floodgate.erasing.stores import Store
from floodgate.settings import load

from summarizer.adapters.sagemaker_feature_store import SageMakerFeatureStore
from summarizer.domain.batches import record_id
from summarizer.handlers import BATCHED
from summarizer.settings import BatchSettings, FeatureStoreSettings

_UNDER_WAY: Final = "its job is under way: give the command again when it is done"


def stores() -> list[Store]:
    """The feature store, its offline store in S3, and the files of batch inference, as far as they are configured.

    Raises:
        FatalError: A setting is wrong.
    """
    features, batch = load(FeatureStoreSettings), load(BatchSettings)
    found: list[Store] = [FeatureRecords(features)]
    if features.offline_s3_uri is not None:
        found.append(S3Lines("the feature store's offline store", features.offline_s3_uri))
    if batch.s3_uri is not None:
        found.append(BatchFiles(batch.s3_uri))
    return found


class FeatureRecords:
    """Records of interactions in SageMaker Feature Store.

    Args:
        settings: Which group.
    """

    def __init__(self, settings: FeatureStoreSettings) -> None:
        self.name = f"feature group {settings.group}"
        self._store = SageMakerFeatureStore(settings)

    def look(self, sought: Sought) -> Sequence[Place]:
        """How many of the person's interactions have a record."""
        count = sum(self._store.get(each) is not None for each in sought.person.interactions)
        return [Place(self.name, count)] if count else []

    def erase(self, sought: Sought) -> None:
        """Hard deletes: nothing of the record stays online; the offline store gets a mark with id and time."""
        for each in sorted(sought.person.interactions):
            if self._store.get(each) is not None:
                self._store.delete(each, datetime.now(UTC))


class BatchFiles:
    """Inputs and outputs of batch inference. A line is told by its record's place on the topic of the batcher.

    Args:
        uri: s3://bucket/prefix of the jobs.
    """

    name = "files of batch inference"

    def __init__(self, uri: str) -> None:
        self._files = S3Lines(self.name, uri, names=self._names, skipped=self._under_way)
        self._theirs: frozenset[str] = frozenset()

    def look(self, sought: Sought) -> Sequence[Place]:
        """One place for each file that has lines of the person's interactions."""
        self._theirs = self._record_ids(sought)
        return self._files.look(sought)

    def erase(self, sought: Sought) -> None:
        """Rewrites the files of jobs that are done. Without its answer an open job would ask about them again."""
        self._theirs = self._record_ids(sought)
        self.__dict__.pop("_done", None)
        self._files.erase(sought)

    def _names(self, line: bytes, sought: Sought) -> bool:
        try:
            row: Any = json.loads(line)
        except ValueError:
            return sought.needles.within(line)
        return isinstance(row, dict) and (row.get("recordId") in self._theirs or sought.needles.within(line))

    def _record_ids(self, sought: Sought) -> frozenset[str]:
        records = CommittedRecords("run `floodgate setup`", "erase").of(BATCHED, keys=sought.person.interactions)
        return frozenset(record_id(m.partition() or 0, m.offset() or 0) for m, _, _ in records)

    def _under_way(self, key: str) -> str:
        folder, _, name = key.rpartition("/")
        if folder.endswith("/done"):
            return ""
        return "" if name.removesuffix(".out") in self._done else _UNDER_WAY

    @cached_property
    def _done(self) -> frozenset[str]:
        return frozenset(key.rpartition("/")[2] for key in self._files.object_keys() if "/done/" in key)
