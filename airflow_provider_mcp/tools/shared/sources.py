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
"""Which lines of a file make one of its Dags, and what they say. The file is parsed; nothing of it is run."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

_MODULES = ("airflow", "airflow.sdk", "airflow.decorators", "airflow.models", "airflow.models.dag")
"""Where ``DAG`` and ``@dag`` are imported from."""

_MOST_CHARS = 1_000_000

_MOST_PARTS = 50
"""Parts of a computed ID that are looked at."""


@dataclass(frozen=True)
class DagSource:
    """The lines that make a Dag."""

    first: int
    last: int
    of: int
    """How many lines the file has."""
    text: str
    note: str | None = None
    """What a reader must know of them, if these are not simply the Dag's own lines."""


@dataclass(frozen=True)
class _Maker:
    """A statement that makes a Dag."""

    node: ast.stmt
    """The outermost statement that is of this Dag alone."""
    dag_id: str | None
    """None if it is computed."""
    pattern: str | None = None
    """What a computed ID looks like, as a regular expression."""
    variable: str | None = None
    """The name that the Dag is bound to, where its tasks are added later."""


def find_dag_source(source: str, dag_id: str) -> DagSource:
    """Return the lines that make a Dag: of ``@dag``, ``with DAG``, or from ``x = DAG`` to the last use of x.

    Where they cannot be told, the whole file is returned with a note that says why.
    """
    lines = source.splitlines()
    module = _parse(source)
    if module is None:
        return _whole(lines, "The file does not parse with this Python, or is too large: this is all of it.")
    makers = list(_list_makers(module))
    matching = [maker for maker in makers if maker.dag_id == dag_id]
    if len(matching) == 1:
        first, last = _span(module, matching[0])
        return DagSource(first, last, len(lines), "\n".join(lines[first - 1 : last]))
    if len(matching) > 1:
        return _whole(
            lines, f"`{dag_id}` is made in {len(matching)} places of the file, so this is all of it."
        )
    fitting = [m for m in makers if m.pattern is not None and re.fullmatch(m.pattern, dag_id, re.DOTALL)]
    if len(fitting) == 1:
        first, last = _span(module, fitting[0])
        note = f"Lines {first} to {last} make this Dag, and may make others, by a function or loop"
        return _whole(lines, f"{note}; this is all of the file.")
    return _whole(
        lines,
        f"No statement names `{dag_id}`: a factory or another file makes it, so this is all of the file.",
    )


def find_task_argument(source: str, dag_id: str, task_id: str, argument: str) -> str | None:
    """Return the text that a task of a Dag is given for an argument; None if it is computed or not found."""
    module = _parse(source)
    if module is None:
        return None
    part = find_dag_source(source, dag_id)
    constants = _constants(module)
    # A task of a task group has the group's name before its own.
    names = {task_id, task_id.rsplit(".", 1)[-1]}
    values = set()
    for node in ast.walk(module):
        if not isinstance(node, ast.Call) or not part.first <= node.lineno <= part.last:
            continue
        keywords = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
        if argument in keywords and _text(keywords.get("task_id"), constants) in names:
            values.add(_text(keywords[argument], constants))
    return values.pop() if len(values) == 1 else None


def _parse(source: str) -> ast.Module | None:
    """Return a file's syntax tree; None if it has none, or is too large to be looked through."""
    if len(source) > _MOST_CHARS:
        return None
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _whole(lines: list[str], note: str) -> DagSource:
    return DagSource(1, len(lines), len(lines), "\n".join(lines), note)


def _span(module: ast.Module, maker: _Maker) -> tuple[int, int]:
    """Return the first and last line of what makes a Dag, with the statements that add to it later."""
    first = min([maker.node.lineno, *(d.lineno for d in getattr(maker.node, "decorator_list", []))])
    last = maker.node.end_lineno or maker.node.lineno
    if maker.variable is None or maker.node not in module.body:
        return first, last
    known = {maker.variable}
    for node in module.body[module.body.index(maker.node) + 1 :]:
        names = [found for found in ast.walk(node) if isinstance(found, ast.Name)]
        stored = {name.id for name in names if isinstance(name.ctx, ast.Store)}
        if maker.variable in stored:
            # Another Dag takes the name.
            break
        if any(name.id in known and isinstance(name.ctx, ast.Load) for name in names):
            last = node.end_lineno or last
            known |= stored
    return first, last


def _list_makers(module: ast.Module) -> Iterator[_Maker]:
    constants = _constants(module)
    classes, decorators = _imported_names(module)

    def makes_dag(node: ast.expr | None) -> bool:
        return isinstance(node, ast.Call) and _name(node.func) in classes

    def describe(node: ast.stmt, call: ast.Call, default: str | None, variable: str | None) -> _Maker:
        keywords = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
        argument = call.args[0] if call.args else keywords.get("dag_id")
        if argument is None and default is not None:
            return _Maker(node, default, variable=variable)
        text = _text(argument, constants)
        return _Maker(node, text, None if text is not None else _pattern(argument), variable)

    for outer, node in _walk_statements(module):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for decorator in node.decorator_list:
                call = decorator if isinstance(decorator, ast.Call) else None
                if _name(call.func if call else decorator) not in decorators:
                    continue
                maker = describe(node, call, node.name, None) if call else _Maker(node, node.name)
                # What is computed may depend on what stands around it.
                yield maker if maker.dag_id is not None else _Maker(outer, None, maker.pattern)
        elif isinstance(node, (ast.With, ast.AsyncWith)):
            for item in node.items:
                if makes_dag(item.context_expr):
                    variable = item.optional_vars.id if isinstance(item.optional_vars, ast.Name) else None
                    maker = describe(node, item.context_expr, None, variable)  # type: ignore[arg-type]
                    yield maker if maker.dag_id is not None else _Maker(outer, None, maker.pattern)
        elif isinstance(node, (ast.Assign, ast.AnnAssign, ast.Expr, ast.Return)) and makes_dag(node.value):
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            variable = next((target.id for target in targets if isinstance(target, ast.Name)), None)
            maker = describe(node, node.value, None, variable)  # type: ignore[arg-type]
            # Within a function or loop, the tasks stand around it.
            yield maker if outer is node else _Maker(outer, maker.dag_id, maker.pattern)


def _walk_statements(module: ast.Module) -> Iterator[tuple[ast.stmt, ast.stmt]]:
    """Yield each statement with the one of the module that it stands in; a plain block is stood through."""
    for outer in _open_blocks(module.body):
        for node in ast.walk(outer):
            if isinstance(node, ast.stmt):
                yield outer, node


def _open_blocks(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for node in body:
        if isinstance(node, (ast.If, ast.Try)):
            yield from _open_blocks(node.body)
            yield from _open_blocks(node.orelse)
            for handler in getattr(node, "handlers", []):
                yield from _open_blocks(handler.body)
        else:
            yield node


def _imported_names(module: ast.Module) -> tuple[set[str], set[str]]:
    """Return what the class ``DAG`` and the decorator ``dag`` are called in a file."""
    classes, decorators = {"DAG"}, {"dag"}
    for node in ast.walk(module):
        if isinstance(node, ast.ImportFrom) and node.module in _MODULES:
            for alias in node.names:
                if alias.asname and alias.name in {"DAG", "dag"}:
                    (classes if alias.name == "DAG" else decorators).add(alias.asname)
    return classes, decorators


def _constants(module: ast.Module) -> dict[str, str]:
    """Return the texts that names of the module are bound to, once each."""
    found: dict[str, str | None] = {}
    for node in ast.walk(module):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found[node.id] = None if node.id in found else ""
    constants = {}
    for node in module.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.value, ast.Constant):
            target = node.targets[0]
            if isinstance(target, ast.Name) and found[target.id] == "" and isinstance(node.value.value, str):
                constants[target.id] = node.value.value
    return constants


def _name(node: ast.expr | None) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else None


def _text(node: ast.expr | None, constants: dict[str, str]) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return constants.get(node.id) if isinstance(node, ast.Name) else None


def _pattern(node: ast.expr | None, depth: int = 0) -> str:
    """Return a regular expression for the texts that an expression may give."""
    if depth > _MOST_PARTS:
        return ".+"
    if isinstance(node, ast.JoinedStr):
        parts = node.values
        return "".join(
            re.escape(part.value) if isinstance(part, ast.Constant) and isinstance(part.value, str) else ".+"
            for part in parts
        )
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _pattern(node.left, depth + 1) + _pattern(node.right, depth + 1)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.escape(node.value)
    return ".+"
