"""Whether an Intercom workspace is set up for Floodgate. Everything here only reads."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol

from floodgate.catalogue import Catalogue
from floodgate.intercom import Admin, ConversationAttribute, IntercomSettings, Tag, Team
from floodgate.intercom.models import Me
from keyflow.errors import FatalError, KeyflowError

from ingest.domain.intercom import NEEDED_TOPICS, OK_TAG, WRONG_PATH_TAG_PREFIX

_RECENT: Final = timedelta(days=7)


class Level(StrEnum):
    """How a check came out."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the table.

    Attributes:
        remedy: What to do; empty when all is well.
    """

    name: str
    level: Level
    found: str
    remedy: str = ""


class Workspace(Protocol):
    """What is asked of Intercom; `floodgate.intercom.IntercomClient` is one."""

    async def me(self) -> Me: ...

    async def list_admins(self) -> list[Admin]: ...

    async def list_teams(self) -> list[Team]: ...

    async def list_tags(self) -> list[Tag]: ...

    async def list_conversation_attributes(self) -> list[ConversationAttribute]: ...


LastSeen = Callable[[], Awaitable[datetime | None]]
"""When the newest event of an Intercom conversation happened; None when there is none."""


async def examine(
    workspace: Workspace,
    settings: IntercomSettings,
    catalogue: Catalogue,
    *,
    button_paths: Mapping[str, str],
    wanted_attributes: Sequence[str],
    last_seen: LastSeen,
    now: datetime,
) -> list[Check]:
    """All checks; without a working token only that one.

    Args:
        workspace: Intercom.
        settings: As whom we speak to it.
        catalogue: Teams and paths that must be known there.
        button_paths: Path by uuid of a fixed button.
        wanted_attributes: Attributes that are read when they are declared.
        last_seen: Asks what has arrived.
        now: Wall clock.
    """
    try:
        me = await workspace.me()
    except FatalError as error:
        return [Check("token", Level.FAIL, str(error), "Set FLOODGATE_INTERCOM_TOKEN to the app's access token.")]
    except KeyflowError as error:
        remedy = "Check FLOODGATE_INTERCOM_REGION, FLOODGATE_INTERCOM_BASE_URL and the network."
        return [Check("token", Level.FAIL, str(error), remedy)]
    name = f"{me.app.name} ({me.app.id_code})" if me.app else "no workspace named"
    checks = [Check("token", Level.OK, f"workspace {name}"), check_region(me, settings)]
    checks.append(check_bot_admin(await workspace.list_admins(), settings.bot_admin_id or me.id))
    teams = await workspace.list_teams()
    checks += [check_teams(teams, catalogue), check_screening(teams, settings.screening_team_id)]
    attributes = await workspace.list_conversation_attributes()
    checks += [
        check_path_attribute(attributes, settings.path_attribute),
        check_other_attributes(attributes, wanted_attributes),
        check_buttons(button_paths, catalogue),
        check_tags(await workspace.list_tags(), catalogue),
        await check_webhooks(last_seen, now),
    ]
    return checks


def check_region(me: Me, settings: IntercomSettings) -> Check:
    if settings.base_url is not None:
        return Check("region", Level.OK, f"fixed address {settings.url}")
    region = (me.app.region if me.app else None) or ""
    if region and region.lower() != settings.region:
        remedy = f"Set FLOODGATE_INTERCOM_REGION={region.lower()}."
        return Check("region", Level.FAIL, f"the workspace is in {region}, we call {settings.url}", remedy)
    return Check("region", Level.OK, f"{settings.region}: {settings.url}")


def check_bot_admin(admins: Sequence[Admin], bot_admin_id: str) -> Check:
    known = {admin.id: admin for admin in admins}
    if bot_admin_id not in known:
        remedy = "Make a teammate for Floodgate and set FLOODGATE_INTERCOM_BOT_ADMIN_ID to its id."
        return Check("bot admin", Level.FAIL, f"no admin {bot_admin_id}", remedy)
    return Check("bot admin", Level.OK, f"{known[bot_admin_id].name or 'admin'} ({bot_admin_id})")


def check_teams(teams: Sequence[Team], catalogue: Catalogue) -> Check:
    known = {team.id for team in teams}
    missing = [f"{team.id} ({team.intercom_team_id})" for team in catalogue.teams if team.intercom_team_id not in known]
    if missing:
        remedy = "Put the ids of the workspace's teams into teams.yaml of the catalogue (intercom_team_id)."
        return Check("teams", Level.FAIL, f"not in the workspace: {', '.join(missing)}", remedy)
    return Check("teams", Level.OK, f"all {len(catalogue.teams)} teams of the catalogue")


def check_screening(teams: Sequence[Team], screening_team_id: str) -> Check:
    if not screening_team_id:
        remedy = "Set FLOODGATE_INTERCOM_SCREENING_TEAM_ID; docs/intercom.md has the recipe."
        return Check("screening inbox", Level.WARN, "none: humans see messages before their verdict", remedy)
    for team in teams:
        if team.id == screening_team_id:
            return Check("screening inbox", Level.OK, f"{team.name} ({team.id})")
    remedy = "Set FLOODGATE_INTERCOM_SCREENING_TEAM_ID to the id of an existing team."
    return Check("screening inbox", Level.FAIL, f"no team {screening_team_id}", remedy)


def check_path_attribute(attributes: Sequence[ConversationAttribute], name: str) -> Check:
    found = {attribute.name: attribute for attribute in attributes}.get(name)
    if found is None or found.archived:
        state = "archived" if found is not None else "not declared"
        remedy = f"Declare the conversation attribute {name} (text) in Intercom: Settings, Data, Conversations."
        return Check("path attribute", Level.FAIL, f"{name} is {state}", remedy)
    if found.data_type not in ("string", "list"):
        remedy = f"Declare {name} as text or list: a path such as tickets/refund is a text."
        return Check("path attribute", Level.FAIL, f"{name} is of type {found.data_type}", remedy)
    return Check("path attribute", Level.OK, f"{name} ({found.data_type})")


def check_other_attributes(attributes: Sequence[ConversationAttribute], wanted: Sequence[str]) -> Check:
    declared = {attribute.name for attribute in attributes if not attribute.archived}
    missing = [name for name in wanted if name not in declared]
    if missing:
        remedy = "Declare them, or live without: the language is identified from the text then."
        return Check("other attributes", Level.WARN, f"not declared: {', '.join(missing)}", remedy)
    return Check("other attributes", Level.OK, ", ".join(wanted))


def check_buttons(button_paths: Mapping[str, str], catalogue: Catalogue) -> Check:
    known = {path.id for path in catalogue.paths}
    wrong = sorted({path for path in button_paths.values() if path not in known})
    if wrong:
        remedy = "Correct FLOODGATE_INGEST_BUTTON_PATHS, or add the paths to paths.yaml of the catalogue."
        return Check("fixed buttons", Level.FAIL, f"unknown paths: {', '.join(wrong)}", remedy)
    if not button_paths:
        return Check("fixed buttons", Level.OK, "none: the path comes from the attribute alone")
    return Check("fixed buttons", Level.OK, f"{len(button_paths)} buttons lead to paths of the catalogue")


def check_tags(tags: Sequence[Tag], catalogue: Catalogue) -> Check:
    known = {tag.name for tag in tags}
    wanted = [OK_TAG, *(WRONG_PATH_TAG_PREFIX + path.id for path in catalogue.paths)]
    missing = [name for name in wanted if name not in known]
    if missing:
        shown = ", ".join(missing[:4]) + (f" and {len(missing) - 4} more" if len(missing) > 4 else "")
        remedy = "Create the tags in Intercom, so that the team can say when a path was wrong."
        return Check("feedback tags", Level.WARN, f"missing: {shown}", remedy)
    return Check("feedback tags", Level.OK, f"{len(wanted)} tags")


async def check_webhooks(last_seen: LastSeen, now: datetime) -> Check:
    """Intercom's API does not tell what is subscribed: what has arrived is the evidence."""
    topics = ", ".join(NEEDED_TOPICS)
    remedy = f"Subscribe in the Developer Hub, app, Webhooks, to: {topics}."
    try:
        newest = await last_seen()
    except KeyflowError as error:
        return Check("webhooks", Level.WARN, f"not known what arrived: {error}", remedy)
    if newest is None or now - newest > _RECENT:
        found = "nothing has arrived" if newest is None else f"nothing since {newest:%Y-%m-%d %H:%M} UTC"
        return Check("webhooks", Level.WARN, found, remedy)
    return Check("webhooks", Level.OK, f"newest event {newest:%Y-%m-%d %H:%M} UTC")
