"""Pulse on topics of a test's own: `python pulse_process.py PREFIX`."""

from __future__ import annotations

import sys

from floodgate.service import main
from floodgate.settings import KafkaSettings, load
from pulse.adapters.faust_pipeline import Topics
from pulse.bootstrap import INPUTS, bootstrap
from pulse.settings import PulseSettings


def topics_of(prefix: str) -> Topics:
    inputs = {f"{prefix}.{name}": name for name in INPUTS}
    return Topics(inputs, f"{prefix}.counts", f"{prefix}.windows", f"{prefix}.metrics")


if __name__ == "__main__":
    main(lambda: bootstrap(load(PulseSettings), load(KafkaSettings), topics=topics_of(sys.argv[1])))
