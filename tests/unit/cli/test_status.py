"""What `floodgate status` reads off a /metrics page."""

from __future__ import annotations

from floodgate.cli.status import figures_of, scraped

PAGE = """\
# TYPE keyflow_stalled_seconds gauge
keyflow_stalled_seconds{processor="firewall"} 1.5
# TYPE keyflow_breaker gauge
keyflow_breaker{processor="firewall",state="closed"} 0.0
keyflow_breaker{processor="firewall",state="open"} 1.0
# TYPE floodgate_bedrock_limit gauge
floodgate_bedrock_limit{model="m"} 4.0
"""


def test_a_page_tells_of_each_processor() -> None:
    assert figures_of(PAGE) == {"firewall": {"stalled_seconds": 1.5, "breaker": "open"}}


def test_an_address_that_does_not_answer_is_named() -> None:
    assert scraped(["not-an-address"]) == ({}, ["not-an-address"])
