"""`floodgate acls`: what each service may do in Kafka."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer
from keyflow.errors import FatalError

from floodgate.acls import PRINCIPAL, Acl, AclDesk, principal_of, wanted
from floodgate.events.topics import services
from floodgate.settings import KafkaSettings, load

app = typer.Typer(
    help="Access rules (ACLs) of every service, made from schemas/topics.yaml: show, check and apply them.",
    no_args_is_help=True,
)

Template = Annotated[
    str, typer.Option("--principal", envvar="FLOODGATE_ACL_PRINCIPAL", help="How Kafka calls a service.")
]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]


@app.command()
def show(
    service: Annotated[str | None, typer.Option(help="Only this service's.")] = None,
    *,
    group_prefix: Annotated[
        str, typer.Option(envvar="FLOODGATE_KAFKA_GROUP_PREFIX", help="Before every group and transactional id.")
    ] = "floodgate.",
    principal: Template = PRINCIPAL,
    as_json: AsJson = False,
) -> None:
    """Show the rules that should be there; asks no cluster."""
    if service is not None and service not in services():
        raise FatalError(f"there is no service {service}: {', '.join(services())}")
    found = wanted(group_prefix, principal)
    if service is not None:
        found = [acl for acl in found if acl.principal == principal_of(service, principal)]
    if as_json:
        typer.echo(json.dumps([asdict(acl) for acl in found], indent=2))
    else:
        typer.echo("\n".join(map(str, found)))


@app.command()
def check(*, principal: Template = PRINCIPAL, as_json: AsJson = False) -> None:
    """Hold the cluster's rules against those that should be there. Exit code 1 where they differ."""
    found = AclDesk(load(KafkaSettings), principal).difference()
    if as_json:
        typer.echo(json.dumps({**asdict(found), "agrees": not (found.missing or found.surplus)}, indent=2))
    else:
        _tell("missing", found.missing)
        _tell("surplus", found.surplus)
        typer.echo(f"{found.present} as they should be, {len(found.missing)} missing, {len(found.surplus)} surplus")
    if found.missing or found.surplus:
        raise typer.Exit(1)


@app.command()
def apply(
    *,
    remove: Annotated[
        bool, typer.Option("--remove", help="Take back the surplus rules of our principals too; else they are listed.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing.")] = False,
    principal: Template = PRINCIPAL,
    as_json: AsJson = False,
) -> None:
    """Write the rules that are missing. Other principals' rules are never touched."""
    desk = AclDesk(load(KafkaSettings), principal)
    found = desk.difference()
    added, removed = found.missing, found.surplus if remove else ()
    if not dry_run:
        desk.add(added)
        desk.remove(removed)
    left = () if remove else found.surplus
    if as_json:
        told = {"added": added, "removed": removed, "surplus": left}
        rows = {name: [asdict(acl) for acl in acls] for name, acls in told.items()}
        typer.echo(json.dumps({**rows, "dry_run": dry_run}, indent=2))
        return
    _tell("would add" if dry_run else "added", added)
    _tell("would remove" if dry_run else "removed", removed)
    _tell("surplus, left as it is (--remove takes it back)", left)
    typer.echo(f"{found.present} unchanged, {len(added)} added, {len(removed)} removed{' (dry run)' * dry_run}")


def _tell(what: str, acls: Sequence[Acl]) -> None:
    for acl in acls:
        typer.echo(f"{what}: {acl}")
