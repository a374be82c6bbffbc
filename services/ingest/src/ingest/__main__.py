"""`python -m ingest`: the service in the foreground."""

from floodgate.service import run

from ingest.bootstrap import build

if __name__ == "__main__":
    run(build())
