"""`python -m ingest`: the service in the foreground."""

from floodgate.service import main

from ingest.bootstrap import build

if __name__ == "__main__":
    main(build)
