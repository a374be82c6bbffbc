"""Works out the type of a CEL expression, and what in it cannot be right."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from lark import Token, Tree

from agent.domain.types import (
    ANY,
    BOOL,
    DOUBLE,
    DURATION,
    INT,
    NULL,
    STRING,
    TIMESTAMP,
    Kind,
    fits,
    join,
    list_of,
)

Node = Tree[Token] | Token
Scope = Mapping[str, Kind]

_CONVERSIONS: Final[Mapping[str, Kind]] = {
    "timestamp": TIMESTAMP,
    "duration": DURATION,
    "string": STRING,
    "int": INT,
    "uint": INT,
    "double": DOUBLE,
    "bool": BOOL,
    "size": INT,
    "has": BOOL,
}
_METHODS: Final[Mapping[str, tuple[frozenset[str], Kind]]] = {
    "startsWith": (frozenset({"string"}), BOOL),
    "endsWith": (frozenset({"string"}), BOOL),
    "contains": (frozenset({"string"}), BOOL),
    "matches": (frozenset({"string"}), BOOL),
    "size": (frozenset({"string", "list", "record"}), INT),
    **dict.fromkeys(
        ("getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getHours", "getMinutes"),
        (frozenset({"timestamp", "duration"}), INT),
    ),
}
_MACROS: Final = frozenset({"map", "filter", "all", "exists", "exists_one"})
_COMPARABLE: Final = frozenset({"int", "double", "string", "timestamp", "duration", "bool"})
_SUMS: Final[Mapping[tuple[str, str, str], Kind]] = {
    ("+", "string", "string"): STRING,
    ("+", "timestamp", "duration"): TIMESTAMP,
    ("+", "duration", "timestamp"): TIMESTAMP,
    ("+", "duration", "duration"): DURATION,
    ("-", "timestamp", "timestamp"): DURATION,
    ("-", "timestamp", "duration"): TIMESTAMP,
    ("-", "duration", "duration"): DURATION,
}


def type_of(tree: Tree[Token], scope: Scope) -> tuple[Kind, list[str]]:
    """The type of an expression, and every fault in it; `any` where it cannot be known."""
    typer = _Typer()
    return typer.of(tree, scope), typer.faults


class _Typer:
    def __init__(self) -> None:
        self.faults: list[str] = []

    def of(self, node: Node, scope: Scope) -> Kind:
        if isinstance(node, Token):
            return ANY
        rule = _RULES.get(str(node.data))
        if rule is not None:
            return rule(self, node, scope)
        parts = [child for child in node.children if isinstance(child, Tree)]
        return self.of(parts[0], scope) if len(parts) == 1 else ANY

    def fault(self, message: str) -> Kind:
        self.faults.append(message)
        return ANY

    def expr(self, node: Tree[Token], scope: Scope) -> Kind:
        if len(node.children) == 1:
            return self.of(node.children[0], scope)
        condition, yes, no = (self.of(child, scope) for child in node.children)
        self._expect(condition, BOOL, "the condition of ?:")
        if not fits(yes, no):
            return self.fault(f"?: gives {yes} or {no}")
        return join(yes, no)

    def logical(self, node: Tree[Token], scope: Scope) -> Kind:
        if len(node.children) == 1:
            return self.of(node.children[0], scope)
        for child in node.children:
            self._expect(self.of(child, scope), BOOL, "&& and ||")
        return BOOL

    def _expect(self, found: Kind, wanted: Kind, where: str) -> None:
        if not fits(found, wanted) or found.base == "null":
            self.fault(f"{where} needs {wanted}, not {found}")

    def relation(self, node: Tree[Token], scope: Scope) -> Kind:
        if len(node.children) == 1:
            return self.of(node.children[0], scope)
        operator, right_node = node.children
        assert isinstance(operator, Tree)
        left, right = self.of(operator.children[0], scope), self.of(right_node, scope)
        name = str(operator.data)
        if name == "relation_in":
            return self._contained(left, right)
        if name in {"relation_eq", "relation_ne"}:
            return BOOL if fits(left, right) else self.fault(f"compares {left} with {right}") and BOOL
        known = {left.base, right.base} <= _COMPARABLE | {"any"}
        if not known or not fits(left, right):
            self.fault(f"orders {left} and {right}")
        return BOOL

    def _contained(self, left: Kind, right: Kind) -> Kind:
        if right.base not in {"list", "record", "any"}:
            self.fault(f"`in` needs a list, not {right}")
        elif right.item is not None and not fits(left, right.item):
            self.fault(f"looks for {left} in {right}")
        return BOOL

    def sum(self, node: Tree[Token], scope: Scope) -> Kind:
        return self._arithmetic(node, scope, {"addition_add": "+", "addition_sub": "-"})

    def product(self, node: Tree[Token], scope: Scope) -> Kind:
        return self._arithmetic(
            node, scope, {"multiplication_mul": "*", "multiplication_div": "/", "multiplication_mod": "%"}
        )

    def _arithmetic(self, node: Tree[Token], scope: Scope, signs: Mapping[str, str]) -> Kind:
        if len(node.children) == 1:
            return self.of(node.children[0], scope)
        operator, right_node = node.children
        assert isinstance(operator, Tree)
        left, right = self.of(operator.children[0], scope), self.of(right_node, scope)
        sign = signs.get(str(operator.data), "?")
        if "any" in (left.base, right.base):
            return ANY
        if left.base == right.base and left.base in {"int", "double"}:
            return Kind(left.base)
        if sign == "+" and left.base == right.base == "list":
            return join(left, right)
        result = _SUMS.get((sign, left.base, right.base))
        return result or self.fault(f"{left} {sign} {right} is not possible")

    def unary(self, node: Tree[Token], scope: Scope) -> Kind:
        if len(node.children) == 1:
            return self.of(node.children[0], scope)
        operator, operand = node.children
        found = self.of(operand, scope)
        if isinstance(operator, Tree) and operator.data == "unary_not":
            self._expect(found, BOOL, "!")
            return BOOL
        if found.base not in {"int", "double", "any"}:
            self.fault(f"- needs a number, not {found}")
        return found

    def member_dot(self, node: Tree[Token], scope: Scope) -> Kind:
        receiver, name = self.of(node.children[0], scope), str(node.children[1])
        if receiver.base == "any":
            return ANY
        if receiver.base != "record":
            return self.fault(f"{receiver} has no {name!r}")
        if receiver.fields and name not in receiver.fields:
            return ANY  # which fields there are is another rule's to say
        return receiver.fields.get(name, ANY)

    def member_index(self, node: Tree[Token], scope: Scope) -> Kind:
        receiver, index = self.of(node.children[0], scope), self.of(node.children[1], scope)
        if receiver.base == "list":
            self._expect(index, INT, "the place in a list")
            return receiver.item or ANY
        if receiver.base not in {"record", "any"}:
            return self.fault(f"{receiver} has no places")
        return ANY

    def member_dot_arg(self, node: Tree[Token], scope: Scope) -> Kind:
        receiver, name = self.of(node.children[0], scope), str(node.children[1])
        given = node.children[2].children if len(node.children) > 2 and isinstance(node.children[2], Tree) else []
        if name in _MACROS and len(given) >= 2:
            return self._macro(name, receiver, given, scope)
        for argument in given:
            self.of(argument, scope)
        if name not in _METHODS:
            return self.fault(f"there is no {name}()")
        takes, result = _METHODS[name]
        if receiver.base != "any" and receiver.base not in takes:
            self.fault(f"{receiver} has no {name}()")
        return result

    def _macro(self, name: str, receiver: Kind, given: list[Node], scope: Scope) -> Kind:
        if receiver.base not in {"list", "any", "record"}:
            return self.fault(f"{name}() needs a list, not {receiver}")
        inner = {**scope, _leftmost(given[0]): receiver.item or ANY}
        result = self.of(given[-1], inner)
        if name == "map":
            return list_of(result)
        self._expect(result, BOOL, f"{name}()")
        return receiver if name == "filter" else BOOL

    def ident(self, node: Tree[Token], scope: Scope) -> Kind:
        return scope.get(str(node.children[0]), ANY)

    def ident_arg(self, node: Tree[Token], scope: Scope) -> Kind:
        name = str(node.children[0])
        given = node.children[1].children if len(node.children) > 1 and isinstance(node.children[1], Tree) else []
        kinds = [self.of(argument, scope) for argument in given]
        if name not in _CONVERSIONS:
            return self.fault(f"there is no {name}()")
        if name in {"timestamp", "duration"} and kinds and kinds[0].base not in {"string", "any", name, "int"}:
            self.fault(f"{name}() needs a string, not {kinds[0]}")
        if name == "size" and kinds and kinds[0].base not in {"string", "list", "record", "any"}:
            self.fault(f"size() needs a list or a string, not {kinds[0]}")
        return _CONVERSIONS[name]

    def literal(self, node: Tree[Token], scope: Scope) -> Kind:
        token = node.children[0]
        kinds = {"INT_LIT": INT, "UINT_LIT": INT, "FLOAT_LIT": DOUBLE, "BOOL_LIT": BOOL, "NULL_LIT": NULL}
        return kinds.get(token.type, STRING) if isinstance(token, Token) else ANY

    def list_lit(self, node: Tree[Token], scope: Scope) -> Kind:
        given = node.children[0].children if node.children and isinstance(node.children[0], Tree) else []
        kinds = [self.of(item, scope) for item in given]
        if not kinds:
            return list_of(ANY)
        result = kinds[0]
        for kind in kinds[1:]:
            result = join(result, kind)
        return list_of(result)

    def map_lit(self, node: Tree[Token], scope: Scope) -> Kind:
        return Kind("record")


def _leftmost(node: Node) -> str:
    while isinstance(node, Tree):
        node = node.children[0]
    return str(node)


_Rule = Callable[[_Typer, Tree[Token], Scope], Kind]
_RULES: Final[Mapping[str, _Rule]] = {
    "expr": _Typer.expr,
    "conditionalor": _Typer.logical,
    "conditionaland": _Typer.logical,
    "relation": _Typer.relation,
    "addition": _Typer.sum,
    "multiplication": _Typer.product,
    "unary": _Typer.unary,
    "member_dot": _Typer.member_dot,
    "member_index": _Typer.member_index,
    "member_dot_arg": _Typer.member_dot_arg,
    "ident": _Typer.ident,
    "ident_arg": _Typer.ident_arg,
    "literal": _Typer.literal,
    "list_lit": _Typer.list_lit,
    "map_lit": _Typer.map_lit,
}
