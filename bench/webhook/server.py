"""ingest on one core: the endpoint alone (`edge`), or with its three processors beside it (`whole`)."""

from __future__ import annotations

import sys
from dataclasses import replace

from floodgate.service import run
from ingest.bootstrap import build

if __name__ == "__main__":
    service = build()
    run(service if sys.argv[1:] == ["whole"] else replace(service, processors=(), tasks=()))
