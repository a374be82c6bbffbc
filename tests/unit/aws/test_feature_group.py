"""The feature group that AWS makes is the one that `floodgate features setup` would make."""

import json
from pathlib import Path

from summarizer.domain.features import EVENT_TIME_FEATURE, IDENTIFIER_FEATURE, feature_definitions

DECLARED = Path(__file__).parents[3] / "deploy/aws/src/floodgate_aws/features.json"


def test_the_declared_features_are_those_of_the_record() -> None:
    """Where this fails, write the file anew: `make aws-features`."""
    declared = json.loads(DECLARED.read_text(encoding="utf-8"))
    assert declared["identifier"] == IDENTIFIER_FEATURE
    assert declared["event_time"] == EVENT_TIME_FEATURE
    assert declared["features"] == {feature.name: feature.kind for feature in feature_definitions()}
