"""Whatever a customer, a model or a colleague wrote stays text on every page."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.console_client import csrf
from support.console_in_memory import LETTER, app, ask
from support.markup import UNSEEN, Outline

PAGES = (
    *("/", "/conversations", "/conversations?q=x", "/conversation?id=rest:x", "/firewall", "/agent", "/summaries"),
    *("/knowledge", "/impact", "/dead-letters", "/dead-letters?service=firewall", "/topics?topic=support.messages"),
    f"/dead-letter?id={LETTER}",
)
FORMS = (
    ("/conversation/unmask", {"id": "rest:x"}),
    ("/dead-letter/unmask", {"id": str(LETTER)}),
    ("/dead-letter/rehearse", {"id": str(LETTER)}),
)
MARKUP = (
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "' autofocus onfocus=alert(1) x='",
    "</pre></textarea>", "</title><svg/onload=alert(1)>", "{{ 7*7 }}{% raw %}", "javascript:alert(1)", "<!--", "]]>",
    "&lt;b&gt;", "\u202egnp.exe", "\x00<b>", "\ufeff<i>", "<\u200fb>", "%3Cscript%3E", "\u2028",
)  # fmt: skip
HOSTILE = st.one_of(
    st.sampled_from(MARKUP),
    st.lists(st.one_of(st.sampled_from(MARKUP), st.text(min_size=1, max_size=20)), min_size=1, max_size=4).map("".join),
)


def pages(text: str) -> list[str]:
    """Every page and every unmasked answer, with this text wherever one can stand."""
    application = app(text)
    first = ask(application, ("GET", "/", None))[0]
    cookie, token = first.headers["set-cookie"].partition(";")[0], csrf(first.text)
    forms = [("POST", path, {"csrf": token, "reason": "a complaint", **form}) for path, form in FORMS]
    answers = ask(application, *(("GET", path, None) for path in PAGES), *forms, cookie=cookie)
    for answer in answers:
        assert answer.status_code == 200, (answer.request.url, answer.status_code)
    return [answer.text for answer in answers]


@pytest.fixture(scope="module")
def plain() -> list[list[tuple[str, ...]]]:
    return [Outline(page).tags for page in pages("x")]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=HOSTILE)
def test_no_text_changes_what_a_page_is_made_of(plain: list[list[tuple[str, ...]]], text: str) -> None:
    assert_only_text(plain, text)


def test_a_text_of_giant_length_is_only_long(plain: list[list[tuple[str, ...]]]) -> None:
    assert_only_text(plain, '"><script>\u202e' * 1_000)


def assert_only_text(plain: list[list[tuple[str, ...]]], text: str) -> None:
    for number, page in enumerate(pages(text)):
        found = Outline(page)
        assert found.tags == plain[number]
        assert found.foreign == []
        assert UNSEEN.search(page) is None
