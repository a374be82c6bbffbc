"""`python -m pulse` runs the service."""

from __future__ import annotations

from floodgate.service import main

from pulse.bootstrap import build

if __name__ == "__main__":
    main(build)
