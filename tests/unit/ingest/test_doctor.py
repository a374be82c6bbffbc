from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import pytest
from floodgate.catalogue import Catalogue, Path, Team
from floodgate.intercom import Admin, ConversationAttribute, IntercomSettings, Tag
from floodgate.intercom import Team as IntercomTeam
from floodgate.intercom.models import AppInfo, Me
from ingest.doctor import Level, examine
from ingest_fakes import NOW
from keyflow.errors import FatalError, OutageError
from pydantic import SecretStr

CATALOGUE = Catalogue(
    version="0",
    company="Example",
    languages=("en",),
    countries=("NL",),
    paths=(Path(id="tickets/refund", label={"en": "Refund"}), Path(id="other", label={"en": "Other"}, generic=True)),
    categories=(),
    urgency=(),
    teams=(Team(id="tickets", title="Tickets", intercom_team_id="1001", owner="x", review_by=date(2027, 1, 1)),),
    templates=(),
    articles=(),
    topics=(),
    intents=(),
)


@dataclass
class FakeWorkspace:
    """A workspace in which everything is as it should be."""

    region: str = "EU"
    admins: list[Admin] = field(default_factory=lambda: [Admin(id="5001", name="Floodgate")])
    teams: list[IntercomTeam] = field(
        default_factory=lambda: [IntercomTeam(id="1000", name="Screening"), IntercomTeam(id="1001", name="Tickets")]
    )
    tags: list[Tag] = field(
        default_factory=lambda: [
            Tag(id=str(n), name=name)
            for n, name in enumerate(
                ("floodgate:ok", "floodgate:wrong-path:tickets/refund", "floodgate:wrong-path:other"), 1
            )
        ]
    )
    attributes: list[ConversationAttribute] = field(
        default_factory=lambda: [
            ConversationAttribute(id=name, name=name, data_type="string")
            for name in ("floodgate_path", "language", "country")
        ]
    )
    failure: Exception | None = None

    async def me(self) -> Me:
        if self.failure is not None:
            raise self.failure
        return Me(id="5001", app=AppInfo(id_code="app", name="Example", region=self.region))

    async def list_admins(self) -> list[Admin]:
        return self.admins

    async def list_teams(self) -> list[IntercomTeam]:
        return self.teams

    async def list_tags(self) -> list[Tag]:
        return self.tags

    async def list_conversation_attributes(self) -> list[ConversationAttribute]:
        return self.attributes


def settings(**more: str) -> IntercomSettings:
    values = {"region": "eu", "screening_team_id": "1000", **more}
    return IntercomSettings(token=SecretStr("t"), client_secret=SecretStr("s"), **values)  # type: ignore[arg-type]  # literal


async def levels(
    workspace: FakeWorkspace,
    own: IntercomSettings | None = None,
    buttons: dict[str, str] | None = None,
    newest: datetime | Exception | None = NOW - timedelta(hours=1),
) -> dict[str, tuple[Level, str, str]]:
    async def last_seen() -> datetime | None:
        if isinstance(newest, Exception):
            raise newest
        return newest

    checks = await examine(
        workspace,
        own or settings(),
        CATALOGUE,
        button_paths=buttons or {},
        wanted_attributes=("language", "country"),
        last_seen=last_seen,
        now=NOW,
    )
    return {check.name: (check.level, check.found, check.remedy) for check in checks}


async def test_a_workspace_that_is_set_up_is_all_ok() -> None:
    found = await levels(FakeWorkspace(), buttons={"uuid": "tickets/refund"})
    assert {level for level, _, _ in found.values()} == {Level.OK}
    assert all(remedy == "" for _, _, remedy in found.values())
    assert len(found) == 10


@pytest.mark.parametrize("failure", [FatalError("intercom: GET /me: 401"), OutageError("intercom: ConnectError")])
async def test_without_a_working_token_only_that_is_told(failure: Exception) -> None:
    found = await levels(FakeWorkspace(failure=failure))
    assert list(found) == ["token"]
    assert found["token"][0] is Level.FAIL


@pytest.mark.parametrize(
    ("workspace", "own", "buttons", "name", "level", "said"),
    [
        (FakeWorkspace(region="US"), settings(), {}, "region", Level.FAIL, "FLOODGATE_INTERCOM_REGION=us"),
        (FakeWorkspace(admins=[]), settings(), {}, "bot admin", Level.FAIL, "FLOODGATE_INTERCOM_BOT_ADMIN_ID"),
        (FakeWorkspace(teams=[]), settings(), {}, "teams", Level.FAIL, "teams.yaml"),
        (FakeWorkspace(), settings(screening_team_id=""), {}, "screening inbox", Level.WARN, "docs/intercom.md"),
        (FakeWorkspace(), settings(screening_team_id="7"), {}, "screening inbox", Level.FAIL, "SCREENING_TEAM_ID"),
        (FakeWorkspace(attributes=[]), settings(), {}, "path attribute", Level.FAIL, "floodgate_path"),
        (
            FakeWorkspace(attributes=[ConversationAttribute(id="1", name="floodgate_path", archived=True)]),
            settings(),
            {},
            "path attribute",
            Level.FAIL,
            "floodgate_path",
        ),
        (
            FakeWorkspace(attributes=[ConversationAttribute(id="1", name="floodgate_path", data_type="boolean")]),
            settings(),
            {},
            "path attribute",
            Level.FAIL,
            "text or list",
        ),
        (FakeWorkspace(attributes=[]), settings(), {}, "other attributes", Level.WARN, "live without"),
        (FakeWorkspace(), settings(), {"uuid": "no/path"}, "fixed buttons", Level.FAIL, "BUTTON_PATHS"),
        (FakeWorkspace(tags=[]), settings(), {}, "feedback tags", Level.WARN, "Create the tags"),
    ],
)
async def test_each_fault_is_found_and_has_its_remedy(
    workspace: FakeWorkspace, own: IntercomSettings, buttons: dict[str, str], name: str, level: Level, said: str
) -> None:
    found = await levels(workspace, own, buttons)
    assert found[name][0] is level
    assert said in found[name][2]


@pytest.mark.parametrize("newest", [None, NOW - timedelta(days=30), OutageError("OpenSearch")])
async def test_webhooks_that_have_not_arrived_lately_are_doubted(newest: datetime | Exception | None) -> None:
    level, _, remedy = (await levels(FakeWorkspace(), newest=newest))["webhooks"]
    assert level is Level.WARN
    assert "conversation.user.replied" in remedy
