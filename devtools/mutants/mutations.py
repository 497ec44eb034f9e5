# Licensed to the Apache Software Foundation (ASF) under one
# or more contributor license agreements.  See the NOTICE file
# distributed with this work for additional information
# regarding copyright ownership.  The ASF licenses this file
# to you under the Apache License, Version 2.0 (the
# "License"); you may not use this file except in compliance
# with the License.  You may obtain a copy of the License at
#
#   http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing,
# software distributed under the License is distributed on an
# "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY
# KIND, either express or implied.  See the License for the
# specific language governing permissions and limitations
# under the License.
"""The small changes of a module after which it might let something through.

Each is one that a refusal is lost by: the line that refuses is taken out, a condition is always or never met,
a part of it is dropped, a limit is moved, an entry of a table is missing. Words of messages are left alone.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)

_BOUNDARIES: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
}


@dataclass(frozen=True)
class Mutant:
    """One change of a module.

    :param place: The function that it is in, with its class; ``module`` outside of any.
    :param what: The change in a line, which names it together with the place.
    """

    place: str
    what: str
    line: int
    tree: ast.Module


@dataclass(frozen=True)
class _Change:
    """A node, the field of its parent that it stands in, and what takes its place."""

    parent: ast.AST
    field: str
    index: int | None
    new: ast.AST | None
    """None takes the node out of a list."""
    what: str


def find_mutants(source: str) -> Iterator[Mutant]:
    """Yield each mutant of a module, in the order of its lines."""
    tree = ast.parse(source)
    seen: dict[tuple[str, str], int] = {}
    for parent, place, line in _walk(tree, "module", 1):
        for change in _find_changes(parent):
            key = (place, change.what)
            seen[key] = seen.get(key, 0) + 1
            number = "" if seen[key] == 1 else f" ({seen[key]})"
            yield Mutant(place, change.what + number, line, _apply(tree, change))


def _walk(node: ast.AST, place: str, line: int) -> Iterator[tuple[ast.AST, str, int]]:
    """Yield each node in which something may be changed, with its place and line.

    :param line: That of what it is in, for a node without one.
    """
    line = getattr(node, "lineno", line)
    if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
        place = node.name if place == "module" else f"{place}.{node.name}"
    yield node, place, line
    if isinstance(node, ast.Subscript):
        # Its index is a type as a rule, and else a name or a place.
        yield from _walk(node.value, place, line)
        return
    for field, value in ast.iter_fields(node):
        if field in {"annotation", "returns", "decorator_list"}:
            continue
        for child in value if isinstance(value, list) else [value]:
            # An entry of a table goes as a whole.
            is_entry = isinstance(node, (ast.Set, ast.Tuple, ast.List)) and isinstance(child, ast.Tuple)
            if isinstance(child, ast.AST) and not is_entry:
                yield from _walk(child, place, line)


def _apply(tree: ast.Module, change: _Change) -> ast.Module:
    """Return a copy of the tree with the change."""
    kept = getattr(change.parent, change.field)
    if change.index is None:
        setattr(change.parent, change.field, change.new)
    else:
        changed = list(kept)
        changed[change.index : change.index + 1] = [] if change.new is None else [change.new]
        setattr(change.parent, change.field, changed)
    try:
        return ast.fix_missing_locations(deepcopy(tree))
    finally:
        setattr(change.parent, change.field, kept)


def _find_changes(node: ast.AST) -> Iterator[_Change]:
    """Yield the changes of what stands directly in a node."""
    for field in ("body", "orelse", "finalbody"):
        statements = getattr(node, field, None)
        if isinstance(statements, list):
            for index, statement in enumerate(statements):
                is_end = isinstance(statement, ast.Return) and statement is statements[-1]
                if _can_go(statement) and not (is_end and isinstance(node, _FUNCTIONS)):
                    what = f"without `{_show(statement)}`"
                    yield _Change(node, field, index, ast.copy_location(ast.Pass(), statement), what)
    for field, child in ast.iter_fields(node):
        if isinstance(child, ast.expr):
            yield from (
                _Change(node, field, None, new, what) for new, what in _find_replacements(node, field, child)
            )
        elif isinstance(child, list):
            for index, item in enumerate(child):
                if isinstance(item, ast.expr):
                    for new, what in _find_replacements(node, field, item):
                        yield _Change(node, field, index, new, what)
    yield from _find_missing_entries(node)


def _guards_one_line(node: ast.AST) -> bool:
    """Say whether a condition is never met just where the one line below it is taken out."""
    return isinstance(node, ast.If) and not node.orelse and len(node.body) == 1 and _can_go(node.body[0])


def _can_go(statement: ast.stmt) -> bool:
    """Say whether a statement may be what refuses, or what counts."""
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, (ast.Call, ast.Await))
    if isinstance(statement, ast.Assign):
        return any(isinstance(target, (ast.Attribute, ast.Subscript)) for target in statement.targets)
    return isinstance(statement, (ast.Raise, ast.Return, ast.AugAssign, ast.Continue, ast.Break, ast.Delete))


def _find_replacements(parent: ast.AST, field: str, node: ast.expr) -> Iterator[tuple[ast.expr, str]]:
    """Yield what may stand in the place of an expression."""
    shown = _show(node)
    # A part of a condition is dropped instead.
    is_part = isinstance(parent, ast.BoolOp) or (isinstance(parent, ast.UnaryOp) and field == "operand")
    if field in {"test", "ifs"} or (isinstance(node, (ast.Compare, ast.BoolOp)) and not is_part):
        for value in (True, False):
            if value or not _guards_one_line(parent):
                yield ast.Constant(value), f"`{shown}` -> {value}"
    if isinstance(node, ast.BoolOp):
        for index, part in enumerate(node.values):
            rest = [value for position, value in enumerate(node.values) if position != index]
            new = rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)
            yield new, f"`{shown}` without `{_show(part)}`"
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield node.operand, f"`{shown}` -> `{_show(node.operand)}`"
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _BOUNDARIES:
        moved = ast.Compare(node.left, [_BOUNDARIES[type(node.ops[0])]()], node.comparators)
        yield moved, f"`{shown}` -> `{_show(moved)}`"
    if isinstance(node, ast.Constant) and not isinstance(parent, (ast.Index, ast.Slice)):
        if isinstance(node.value, bool):
            yield ast.Constant(not node.value), f"`{_show(parent)}`: {node.value} -> {not node.value}"
        elif isinstance(node.value, int) and not isinstance(parent, ast.Subscript):
            yield (
                ast.Constant(10 * node.value + 1),
                f"`{_show(parent)}`: {node.value} -> {10 * node.value + 1}",
            )


def _find_missing_entries(node: ast.AST) -> Iterator[_Change]:
    """Yield a table without each of its entries."""
    if isinstance(node, (ast.Set, ast.Tuple, ast.List)) and len(node.elts) > 1:
        if isinstance(node.ctx if not isinstance(node, ast.Set) else ast.Load(), ast.Load):
            for index, entry in enumerate(node.elts):
                yield _Change(node, "elts", index, None, f"without the entry `{_show(entry)}`")
    elif isinstance(node, ast.Dict) and len(node.keys) > 1:
        for index, key in enumerate(node.keys):
            if key is not None:
                # A key of its own, which nobody looks for.
                what = f"without the entry `{_show(key)}`"
                yield _Change(node, "keys", index, ast.Constant("…mutant…"), what)


def _show(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 90 else f"{text[:90]}…"
