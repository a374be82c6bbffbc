"""A period's records under another calibration: asked again through the running service, once."""

from __future__ import annotations

import json
import random
import shutil
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

from floodgate_local.state import repository_root
from support.processes import ServiceProcess, running

CALIBRATION = """
model: local model (as amazon.nova-lite-v1:0)
prompt: summarize@2
fitted_on: 2026-11-22
urgency: {shift: {en: 0.3}}
"""


def test_a_period_is_recomputed_once_under_a_new_set_of_features(archive, summarizer, env, tmp_path: Path):
    begin = datetime(2001, 2, 3, tzinfo=UTC) + timedelta(minutes=random.randrange(10**7))  # nobody else's
    one = archive.interaction(
        ("customer", "My tickets for Saturday have not arrived, order TK-51234."),
        ("agent", "I have sent both tickets again to your address."),
        ended_at=begin + timedelta(seconds=20),
    )
    archive.hand_in(one)
    before = archive.summary_of(one)
    catalogue = tmp_path / "catalogue"
    shutil.copytree(repository_root() / "catalogue", catalogue)
    (catalogue / "calibration.yaml").write_text(CALIBRATION, encoding="utf-8")
    # The same service elsewhere: a group of its own, so that both read what is asked again.
    archive.env = {
        **env,
        "FLOODGATE_CATALOGUE_DIR": str(catalogue),
        "FLOODGATE_KAFKA_GROUP_PREFIX": f"test-{uuid.uuid4().hex[:8]}.",
    }
    with running(ServiceProcess("summarizer", archive.env, tmp_path / "log")):
        period = ("--from", begin.isoformat(), "--to", (begin + timedelta(minutes=1)).isoformat(), "--json")
        sent = json.loads(archive.floodgate("features", "recompute", *period).stdout)
        assert (sent["interactions"], sent["sent"]) == (1, 1)
        after = archive.await_one(
            "support.summaries",
            lambda s: s.interaction_id == one.interaction_id and s.feature_set_version == sent["feature_set_version"],
        )
    assert (after.event_time, after.summary) == (before.event_time, before.summary)
    assert after.feature_set_version != before.feature_set_version
    assert after.urgency_score > before.urgency_score
    assert json.loads(archive.floodgate("features", "recompute", *period).stdout)["interactions"] == 0
