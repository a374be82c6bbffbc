"""A small catalogue on disk, which tests break in one place at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

FILES = {
    "catalogue.yaml": """\
company: Anyco
languages: [en, nl]
countries: [NL, GB]
default_language: en
thresholds: {min_confidence: 0.4, automate_confidence: 0.6}
category_thresholds:
  refunds: {automate_confidence: 0.8}
country_thresholds:
  NL: {min_confidence: 0.5, automate_confidence: 0.7}
topics: [orders, other]
intents: [ask, other]
""",
    "teams.yaml": """\
owner: operations
review_by: 2030-01-01
teams:
  - {id: orders, title: Orders, intercom_team_id: "1"}
""",
    "paths.yaml": """\
paths:
  - id: orders/refund
    category: refunds
    label: {en: Refund, nl: Geld terug}
  - id: orders/status
    category: status
    label: {en: Status, nl: Status}
  - id: other
    generic: true
    label: {en: Other, nl: Anders}
""",
    "urgency.yaml": """\
owner: safety
review_by: 2030-01-01
rules:
  - id: fraud
    title: Fraud
    team: orders
    reply: urgent
    phrases: {en: [stolen card], nl: [gestolen kaart]}
""",
    "templates/general.yaml": """\
owner: operations
review_by: 2030-01-01
templates:
  - id: urgent
    texts: {en: "We look at {what}.", nl: "We kijken naar {what}."}
""",
    "categories/refunds.yaml": """\
id: refunds
title: {en: Refunds, nl: Terugbetaling}
path: orders/refund
team: orders
automation: on
workflow: refund
confusable_with: [status]
owner: orders
review_by: 2030-01-01
examples:
  en: [money back, refund please, I want my money, give it back, reimburse me]
  nl: [geld terug, graag terugbetalen, ik wil mijn geld, stort het terug, restitutie]
""",
    "categories/status.yaml": """\
id: status
title: {en: Status, nl: Status}
path: orders/status
team: orders
owner: orders
review_by: 2030-01-01
examples:
  en: [where is my order, order status, did it go through, is it confirmed, any news]
  nl: [waar is mijn order, wat is de status, is het gelukt, is het bevestigd, al nieuws]
""",
    "workflows/refund.yaml": "id: refund\n",
    "knowledge/en/refunds.md": """\
---
title: Refunds
category: refunds
owner: orders
review_by: 2030-01-01
---
You get your money back within a week.
""",
}


class CatalogueOnDisk:
    """A catalogue whose files tests replace, edit and remove."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        for name, text in FILES.items():
            self.write(name, text)

    def write(self, name: str, text: str) -> None:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.directory / name).read_text(encoding="utf-8")
        assert old in text
        self.write(name, text.replace(old, new))

    def remove(self, name: str) -> None:
        (self.directory / name).unlink()


@pytest.fixture
def on_disk(tmp_path: Path) -> CatalogueOnDisk:
    return CatalogueOnDisk(tmp_path)
