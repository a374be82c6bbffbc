"""Who may do what, and what the console refuses to start with."""

from __future__ import annotations

import pytest
from console.domain.access import Role, RoleGroups
from console.settings import ConsoleSettings
from pydantic import ValidationError

GROUPS = RoleGroups(viewers=["*"], reviewers=["leads"], operators=["ops"])


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOST", "PORT", "ACCESS", "PUBLIC_URL", "PROXY_SECRET"):
        monkeypatch.delenv(f"FLOODGATE_CONSOLE_{name}", raising=False)


@pytest.mark.parametrize(
    ("groups", "role"), [([], Role.VIEWER), (["leads"], Role.REVIEWER), (["leads", "ops"], Role.OPERATOR)]
)
def test_the_highest_group_gives_the_role(groups: list[str], role: Role) -> None:
    assert GROUPS.role(groups) is role


def test_without_a_group_for_everybody_a_stranger_is_nobody() -> None:
    assert RoleGroups(["staff"], ["leads"], ["ops"]).role(["guests"]) is Role.NOBODY


def test_loopback_needs_nothing() -> None:
    assert ConsoleSettings().on_loopback


@pytest.mark.parametrize(
    "values",
    [
        {"host": "0.0.0.0"},
        {"host": "0.0.0.0", "access": "proxy"},
        {"host": "0.0.0.0", "access": "proxy", "proxy_secret": "short"},
        {"host": "0.0.0.0", "access": "proxy", "proxy_secret": "x" * 20},
        {"access": "oidc", "oidc_issuer": "https://id.example"},
    ],
)
def test_beyond_loopback_it_does_not_start_without_whole_access_control(values: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        ConsoleSettings(**values)  # type: ignore[arg-type]


def test_the_refusal_names_the_remedy() -> None:
    with pytest.raises(ValidationError, match="beyond loopback: set FLOODGATE_CONSOLE_ACCESS"):
        ConsoleSettings(host="10.0.0.7")


def test_a_trusted_proxy_with_a_secret_and_https_is_enough() -> None:
    settings = ConsoleSettings(
        host="10.0.0.7",
        access="proxy",
        proxy_secret="s" * 20,
        public_url="https://console.example",  # type: ignore[arg-type]
    )
    assert settings.is_https
