"""`python -m summarizer.batcher` runs the batcher."""

from __future__ import annotations

from floodgate.service import main

from summarizer.bootstrap_beside import build_batcher

if __name__ == "__main__":
    main(build_batcher)
