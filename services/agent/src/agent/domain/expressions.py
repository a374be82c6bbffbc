"""Typed expressions in workflows: CEL, compiled once, evaluated on data alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import celpy
from celpy import celtypes
from celpy.adapter import json_to_cel
from celpy.celparser import CELParseError
from celpy.evaluation import CELEvalError
from lark import Token, Tree

VARIABLES: Final = frozenset({"slots", "data", "now"})


class ExpressionError(ValueError):
    """An expression that cannot be compiled or evaluated; the message holds no values."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A path that an expression reads: ("slots", "order_number") or ("data", "order", "event")."""

    path: tuple[str, ...]
    guarded: bool
    """Only inside has(): it may be absent."""


def _contains(text: Any, part: Any) -> celtypes.BoolType:
    """The library's own fails on a sum of texts, which is a plain one to it."""
    return celtypes.BoolType(part in text)


_FUNCTIONS: Final[dict[str, Any]] = {"contains": _contains}


class Expressions:
    """Compiles and evaluates; one instance per set of workflows.

    The parser behind it is shared and not reentrant, hence the lock around compiling.
    """

    def __init__(self) -> None:
        self._environment = celpy.Environment()
        self._programs: dict[str, Any] = {}
        self._trees: dict[str, Tree[Token]] = {}
        self._lock = threading.Lock()

    def compile(self, source: str) -> None:
        """Compiles and remembers.

        Raises:
            ExpressionError: It is not CEL, or names something that no expression may see.
        """
        with self._lock:
            if source in self._programs:
                return
            try:
                tree = self._environment.compile(source)
                self._programs[source] = self._environment.program(tree, functions=_FUNCTIONS)
            except CELParseError as error:
                where = f"line {error.line}, column {error.column}" if error.line else "its end"
                raise ExpressionError(f"not a CEL expression (at {where}): {source}") from error
            self._trees[source] = tree

    def tree(self, source: str) -> Tree[Token]:
        """How an expression is built.

        Raises:
            ExpressionError: It is not CEL.
        """
        self.compile(source)
        return self._trees[source]

    def references(self, source: str) -> tuple[Reference, ...]:
        """What an expression reads, names bound inside it left out."""
        self.compile(source)
        return tuple(_references(self._trees[source]))

    def evaluate(self, source: str, scope: Mapping[str, Any]) -> Any:
        """The value as plain JSON types (times as RFC 3339).

        Raises:
            ExpressionError: It fails on this data: a member is absent, types do not fit.
        """
        self.compile(source)
        try:
            value = self._programs[source].evaluate({name: _to_cel(part) for name, part in scope.items()})
        except (CELEvalError, ValueError, TypeError, ArithmeticError) as error:
            raise ExpressionError(f"cannot be evaluated ({_cause(error)}): {source}") from error
        if isinstance(value, CELEvalError):
            raise ExpressionError(f"cannot be evaluated ({_cause(value)}): {source}")
        return _from_cel(value)

    def holds(self, source: str, scope: Mapping[str, Any]) -> bool:
        """Evaluates a condition.

        Raises:
            ExpressionError: It fails, or is not true or false.
        """
        value = self.evaluate(source, scope)
        if not isinstance(value, bool):
            raise ExpressionError(f"must be true or false: {source}")
        return value


def _cause(error: BaseException) -> str:
    """The kind of failure; the library's own text may hold values, which stay out of messages."""
    kinds = [part.__name__ for part in error.args if isinstance(part, type)]
    return kinds[0] if kinds else type(error).__name__


def _to_cel(value: Any) -> Any:
    if isinstance(value, datetime):
        return celtypes.TimestampType(value)
    return json_to_cel(value)


def _from_cel(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list):
        return [_from_cel(part) for part in value]
    if isinstance(value, dict):
        return {str(name): _from_cel(part) for name, part in value.items()}
    for kind, plain in _PLAIN:
        if isinstance(value, kind):
            return plain(value)
    return None if value is None else str(value)


# BoolType is an int of its own kind, so it comes first.
_PLAIN: Final = ((celtypes.BoolType, bool), (bool, bool), (int, int), (float, float))
_MACROS: Final = frozenset({"map", "filter", "all", "exists", "exists_one"})


def _references(tree: Tree[Token]) -> Iterator[Reference]:
    yield from _walk(tree, frozenset(), guarded=False)


def _walk(tree: Tree[Token], bound: frozenset[str], *, guarded: bool) -> Iterator[Reference]:
    path = _path(tree)
    if path is not None:
        if path[0] not in bound:
            yield Reference(path, guarded)
        return
    if tree.data in {"member_dot_arg", "ident_arg"}:
        yield from _walk_call(tree, bound, guarded=guarded)
        return
    for child in tree.children:
        if isinstance(child, Tree):
            yield from _walk(child, bound, guarded=guarded)


def _walk_call(tree: Tree[Token], bound: frozenset[str], *, guarded: bool) -> Iterator[Reference]:
    names = [str(child) for child in tree.children if isinstance(child, Token)]
    parts = [child for child in tree.children if isinstance(child, Tree)]
    name = names[0] if names else ""
    if tree.data == "ident_arg":
        for part in parts:
            yield from _walk(part, bound, guarded=guarded or name == "has")
        return
    receiver, arguments = parts[0], parts[1:]
    yield from _walk(receiver, bound, guarded=guarded)
    inner = bound
    if name in _MACROS and arguments:
        inner = bound | {_leftmost(arguments[0])}  # a macro's first argument is its variable
    for part in arguments:
        yield from _walk(part, inner, guarded=guarded)


def _leftmost(tree: Tree[Token]) -> str:
    node: Tree[Token] | Token = tree
    while isinstance(node, Tree):
        node = node.children[0]
    return str(node)


def _path(tree: Tree[Token]) -> tuple[str, ...] | None:
    """The dotted path when a tree is nothing else, through the grammar's single-child levels."""
    while tree.data not in {"ident", "member_dot"}:
        if len(tree.children) != 1 or not isinstance(tree.children[0], Tree):
            return None
        tree = tree.children[0]
    if tree.data == "ident":
        return (str(tree.children[0]),)
    receiver, name = tree.children
    if not isinstance(receiver, Tree):
        return None
    head = _path(receiver)
    return None if head is None else (*head, str(name))
