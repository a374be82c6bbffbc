"""`python -m summarizer.ledger` runs the watcher of completeness."""

from __future__ import annotations

from floodgate.service import main

from summarizer.bootstrap_beside import build_ledger

if __name__ == "__main__":
    main(build_ledger)
