"""`python -m firewall` runs the service."""

from __future__ import annotations

from floodgate.service import main

from firewall.bootstrap import build

if __name__ == "__main__":
    main(build)
