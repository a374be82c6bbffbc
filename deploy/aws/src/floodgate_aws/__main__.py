"""`python -m floodgate_aws synth | cost`; `make synth` and `make cost-aws` call it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from floodgate_aws.costs import Infrastructure, prices
from floodgate_aws.profile import PROFILES, Site


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; an expected failure is one line and exit code 1."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options)
    except (ValueError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="floodgate_aws", description="Floodgate's infrastructure on AWS.")
    commands = parser.add_subparsers(required=True)
    synth = commands.add_parser("synth", help="write the templates that `npx aws-cdk deploy --app FOLDER` takes")
    synth.add_argument("-c", "--context", action="append", default=[], metavar="NAME=VALUE",
                       help="profile, region, account, eu_only, admin_cidrs, alarm_email, model_id, …")  # fmt: skip
    synth.add_argument("--out", type=Path, default=Path("cdk.out"), help="folder (default: cdk.out)")
    synth.set_defaults(run=_synth)
    cost = commands.add_parser("cost", help="what a month and an interaction cost, infrastructure included")
    cost.add_argument("--profile", choices=sorted(PROFILES), action="append", help="both without it")
    cost.add_argument("--interactions", type=int, help="a month; by default what the profile is made for")
    cost.add_argument("--model", default="eu.amazon.nova-lite-v1:0", help="by whose row model calls are priced")
    cost.add_argument("--prices", type=Path, help="a price file of your own")
    cost.add_argument("--json", action="store_true", help="print JSON instead of a table")
    cost.set_defaults(run=_cost)
    return parser


def _synth(options: argparse.Namespace) -> int:
    from floodgate_aws.app import build  # noqa: PLC0415 - starts Node, which costs seconds

    wrong = [pair for pair in options.context if "=" not in pair]
    if wrong:
        raise ValueError(f"context {wrong[0]!r}: write NAME=VALUE")
    site = Site.read(dict(pair.split("=", 1) for pair in options.context))
    build(site, str(options.out)).synth()
    stacks = sorted(file.name.removesuffix(".template.json") for file in options.out.glob("*.template.json"))
    sys.stdout.write(f"{options.out}: profile {site.profile.name}, {site.region}, {', '.join(stacks)}\n")
    return 0


def _cost(options: argparse.Namespace) -> int:
    table = prices(options.prices)
    found = [
        Infrastructure.of(PROFILES[name], table, options.model, options.interactions)
        for name in options.profile or sorted(PROFILES, reverse=True)
    ]
    if options.json:
        sys.stdout.write(json.dumps([each.as_json() for each in found], indent=2) + "\n")
        return 0
    sys.stdout.write(f"List prices as of {table.dated}, {table.region}, {table.source}\n")
    for each in found:
        sys.stdout.write(each.as_text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
