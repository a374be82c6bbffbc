"""What the CEL library does not do by itself."""

from __future__ import annotations

import pytest
from agent.domain.expressions import ExpressionError, Expressions

SCOPE = {"data": {"one": "gift_card", "two": "_1=40;", "list": ["gift_card"], "number": 4}}


@pytest.mark.parametrize(
    ("source", "holds"),
    [
        ("(data.one + data.two).contains('card_1=')", True),
        ("(data.one + data.two).contains(data.one + 's')", False),
        ("data.list.map(name, name + '_1').exists(name, name.contains('d_1'))", True),
        ("data.one.contains('gift')", True),
    ],
)
def test_a_sum_of_texts_can_be_searched_like_any_text(source, holds):
    assert Expressions().holds(source, SCOPE) is holds


def test_a_number_cannot_be_searched():
    with pytest.raises(ExpressionError, match="cannot be evaluated"):
        Expressions().holds("data.number.contains('4')", SCOPE)
