"""`python -m floodgate_local.drops`: the deploy step for AWS alone, where the servers are not this machine's stack."""

from __future__ import annotations

import os
import sys

from keyflow.errors import FatalError

from floodgate_local.provision import provide_drops


def main() -> None:
    """Makes buckets, queue and rule at the address that the environment names."""
    try:
        sys.stdout.write(f"drops: {provide_drops(os.environ)}\n")
    except KeyError as error:
        sys.exit(f"drops: {error.args[0]} is not set")
    except FatalError as error:
        sys.exit(f"drops: {error}")


if __name__ == "__main__":
    main()
