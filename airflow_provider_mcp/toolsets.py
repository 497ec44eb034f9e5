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
"""What a tool is: ``@tool``, ``Toolset``, ``path()``, result pages, prompts and resources."""

from __future__ import annotations

import base64
import functools
import inspect
import json
import re
import types
import typing
import zlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeVar
from urllib.parse import quote

import pydantic
from pydantic.json_schema import GenerateJsonSchema

from airflow_provider_mcp.airflow_api import Airflow, AirflowSync, Caller, serving
from airflow_provider_mcp.client import Client
from airflow_provider_mcp.content import Content, Message
from airflow_provider_mcp.errors import ToolError
from airflow_provider_mcp.jobs import Job, JobStarted

if TYPE_CHECKING:
    from typing_extensions import Self

Access = Literal["read", "write", "destructive"]
Function = TypeVar("Function", bound=Callable[..., Any])

_OPTIONS = "__airflow_mcp_tool__"
_IMAGE = re.compile(r"data:image/[a-z0-9.+-]+(;[A-Za-z0-9=-]+)*,.")
_INJECTED = (Airflow, AirflowSync, Caller, Client)


def path(template: str, *identifiers: str | int, slashes: bool = False) -> str:
    """Put identifiers into a REST path, each confined to its one segment.

    :param template: The path with ``{}`` for each identifier, for example ``dags/{}/dagRuns``.
    :param slashes: Let identifiers keep ``/``, for the few routes whose last part is itself a path.
    :raises ToolError: ``invalid_argument`` for an identifier that is empty, ``.``, ``..`` or holds ``/``.
    """
    parts = []
    for identifier in identifiers:
        text = str(identifier)
        segments = text.split("/")
        if (len(segments) > 1 and not slashes) or any(s in {"", ".", ".."} for s in segments) or "\\" in text:
            raise ToolError(
                "invalid_argument",
                f"{text!r} cannot be an identifier.",
                hint="Give the identifier exactly as Airflow lists it; it is never a path.",
            )
        parts.append(quote(text, safe="/" if slashes else ""))
    return template.format(*parts)


@dataclass(frozen=True)
class _ToolOptions:
    access: Access
    title: str | None
    idempotent: bool
    since: str | None
    until: str | None
    preview: Callable[..., Any] | None
    input_schema: Mapping[str, Any] | None
    job: Job | None


def tool(
    *,
    access: Access,
    title: str | None = None,
    idempotent: bool = False,
    since: str | None = None,
    until: str | None = None,
    preview: Callable[..., Any] | None = None,
    input_schema: Mapping[str, Any] | None = None,
    job: Job | None = None,
) -> Callable[[Function], Function]:
    """Mark a function as a tool and return it unchanged.

    The docstring is the description, the type hints are the schemas. A parameter annotated with
    ``Airflow``, ``AirflowSync``, ``Caller`` or ``Client`` is filled in by the server and hidden from
    callers. A tool that returns no data but text, pictures and the like returns ``Content``.

    :param access: ``read`` changes nothing, ``write`` adds or changes what can be changed back,
        ``destructive`` may lose something.
    :param idempotent: Calling it twice has the effect of calling it once.
    :param since: The first Airflow version that can serve it, for example ``3.0``.
    :param until: The first Airflow version that no longer can.
    :param preview: A function with (some of) the same parameters that says what the call would do. A
        confirmation holds while it says the same, but for what it puts under ``now``.
    :param input_schema: The JSON schema (2020-12) of the arguments, for a function that takes them in one
        parameter ``arguments: dict[str, Any]``.
    :param job: How to look after work that goes on after the call; such a tool may return ``JobStarted``
        to a client with ``takes_jobs``.
    """

    def mark(function: Function) -> Function:
        options = _ToolOptions(access, title, idempotent, since, until, preview, input_schema, job)
        setattr(function, _OPTIONS, options)
        return function

    return mark


@dataclass(frozen=True)
class Toolset:
    """A named group of tools that an administrator switches on or off together.

    :param icon: An image that stands for the group in clients, as a ``data:image/...`` URI, at best of a few
        hundred bytes. An address elsewhere is refused: clients would fetch it.
    :raises ValueError: The icon is no such URI.
    """

    name: str
    description: str
    tools: Sequence[Callable[..., Any]]
    icon: str | None = None

    def __post_init__(self) -> None:
        if self.icon is not None and not _IMAGE.match(self.icon):
            raise ValueError(f"the icon of the toolset {self.name!r} must be a data:image/... URI")


@dataclass(frozen=True)
class Tool:
    """A tool as the server offers it."""

    name: str
    title: str
    description: str
    access: Access
    toolset: str
    owner: str
    idempotent: bool
    since: str | None
    until: str | None
    function: Callable[..., Any]
    preview: Callable[..., Any] | None
    arguments: type[pydantic.BaseModel] | None
    """None for a tool that brings its own ``input_schema``."""
    input_schema: Mapping[str, Any]
    output_schema: Mapping[str, Any] | None
    """None for a tool that returns ``Content``."""
    job: Job | None

    def check(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments by name, checked and converted.

        :raises ToolError: ``invalid_argument`` that names each argument at fault.
        """
        if self.arguments is None:
            return {"arguments": self._check_by_schema(arguments)}
        try:
            model = self.arguments.model_validate(arguments)
        except pydantic.ValidationError as invalid:
            faults = []
            for error in invalid.errors(include_url=False, include_context=False, include_input=False):
                where = ".".join(str(part) for part in error["loc"]) or "arguments"
                said = {
                    "extra_forbidden": "is not an argument of this tool",
                    "missing": "is required",
                }.get(error["type"], error["msg"])
                faults.append(f"{where}: {said}")
            raise ToolError(
                "invalid_argument",
                f"{self.name} was called with wrong arguments: {'; '.join(faults)}.",
                hint=f"Its arguments are: {', '.join(self.arguments.model_fields) or 'none'}.",
            ) from None
        return {name: getattr(model, name) for name in type(model).model_fields}

    def _check_by_schema(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        from jsonschema import Draft202012Validator

        given = dict(arguments)
        found = sorted(Draft202012Validator(self.input_schema).iter_errors(given), key=lambda e: e.json_path)
        if found:
            faults = "; ".join(f"{fault.json_path}: {fault.message}" for fault in found[:10])
            raise ToolError("invalid_argument", f"{self.name} was called with wrong arguments: {faults}.")
        return given


@dataclass(frozen=True)
class ToolCall:
    """What is told about a finished call."""

    tool: str
    user: str
    client: str | None
    outcome: str
    """``ok``, ``cancelled`` if the client went away, or the code of the error."""
    duration: float
    """Seconds."""


@dataclass(frozen=True)
class Prompt:
    """A prompt: a function from its (string) arguments to the text or the messages that the user sends.

    An argument is described by ``Annotated[str, Field(description=...)]``. ``Airflow``, ``Caller`` and
    ``Client`` are filled in, as for a tool; the function may be ``async``.
    """

    name: str
    description: str
    function: Callable[..., str | Sequence[Message] | Awaitable[str | Sequence[Message]]]
    title: str | None = None

    def visible_parameters(self) -> list[tuple[inspect.Parameter, str | None]]:
        """Return the parameters that the user fills in, with their descriptions."""
        hints = typing.get_type_hints(self.function, include_extras=True)
        shown = []
        for parameter in inspect.signature(self.function).parameters.values():
            hint = hints.get(parameter.name)
            if hint in _INJECTED:
                continue
            notes = [n for n in getattr(hint, "__metadata__", ()) if isinstance(n, pydantic.fields.FieldInfo)]
            shown.append((parameter, notes[0].description if notes else None))
        return shown


@dataclass(frozen=True)
class Resource:
    """A resource or, with ``{parameters}`` in its URI, a resource template.

    ``read`` takes the client and the parameters and returns JSON-ready data, text or bytes.
    """

    uri: str
    name: str
    description: str
    read: Callable[..., Awaitable[Any]]
    mime_type: str = "application/json"
    title: str | None = None


class Result(pydantic.BaseModel):
    """A tool's result; what has no value is left out."""

    truncated: bool | None = None
    """True if something was left out."""
    hint: str | None = None
    """How to get what was left out, or what to do next."""


class Page(Result):
    """A result with one list that may be continued by ``next_cursor``."""

    items_field: ClassVar[str]

    total: int | None = None
    """How many there are in all."""
    next_cursor: str | None = None
    """What to pass as cursor for the next page."""
    _offset: int = pydantic.PrivateAttr(0)

    @classmethod
    def of(cls, rows: Sequence[Any], *, total: int, offset: int, **more: Any) -> Self:
        """Build the page of ``rows``, which begin at ``offset`` of ``total``."""
        page = cls(**{cls.items_field: rows, "total": total, **more})
        page._offset = offset
        page._continue_after(len(rows))
        return page

    def keep(self, count: int) -> Self:
        """Return a copy that holds as many items as fit and continues after them."""
        page = self.model_copy()
        page._offset = self._offset
        setattr(page, self.items_field, getattr(self, self.items_field)[:count])
        page.truncated = True
        page.hint = "Cut to fit; go on with next_cursor."
        page._continue_after(count)
        return page

    def _continue_after(self, count: int) -> None:
        end = self._offset + count
        more = self.total is not None and end < self.total and count > 0
        last = _mark(getattr(self, self.items_field)[count - 1]) if more else None
        marked = {} if last is None else {"last": last}
        self.next_cursor = encode_cursor(offset=end, total=self.total, **marked) if more else None


Limit = Annotated[int, pydantic.Field(ge=1, le=100, description="Items a page.")]
Cursor = Annotated[str | None, pydantic.Field(description="next_cursor of the page before.")]


def encode_cursor(**position: Any) -> str:
    """Make an opaque cursor of a position."""
    text = json.dumps(position, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(cursor: str | None) -> dict[str, Any]:
    """Return the position that a cursor was made of; ``{}`` for none.

    :raises ToolError: ``invalid_argument`` if no tool of ours made it.
    """
    if not cursor:
        return {}
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        position = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except ValueError:
        position = None
    if not isinstance(position, dict) or not all(
        isinstance(v, int) and not isinstance(v, bool) and v >= 0 for v in position.values()
    ):
        raise ToolError(
            "invalid_argument",
            "The cursor is not one that this tool returned.",
            hint="Pass next_cursor unchanged, or leave it out to begin again.",
        )
    return position


_IDENTITIES = (
    ("event_log_id",),
    ("import_error_id",),
    ("dag_id", "dag_run_id", "task_id", "map_index"),
    ("dag_id", "dag_run_id"),
    ("id",),
    ("connection_id",),
    ("key",),
    ("name",),
    ("dag_id",),
)
MOST_ROWS = 100
"""What Airflow lists at most at once (``maximum_page_limit``), unless it is told otherwise."""


def _mark(row: Any) -> int | None:
    """Return a number that tells a row from the others of its list; None if it has nothing to tell by."""
    held = row if isinstance(row, Mapping) else getattr(row, "__dict__", {})
    for names in _IDENTITIES:
        if all(name in held for name in names):
            # A task instance that is not mapped has the map index -1 or none.
            values = [-1 if held[name] is None else held[name] for name in names]
            return zlib.crc32(json.dumps(values, default=str).encode())
    return None


async def fetch_page(
    airflow: Airflow,
    route: str,
    rows_key: str,
    *,
    params: Mapping[str, Any] | None = None,
    limit: int,
    cursor: str | None,
    newest_first: bool = False,
) -> tuple[list[dict[str, Any]], int, int]:
    """Fetch one page of a REST list: ``(rows, total, offset)``.

    While rows are being added, removed, or moved by what they are filtered or ordered by, the rows that a
    caller has not seen move too. The cursor knows the last row that was shown, which is looked for again
    where it must be by now, so that nothing is shown twice and nothing is missed. A list that shows the
    newest first is expected to have grown at its front.
    """
    position = decode_cursor(cursor)
    offset, seen, last = int(position.get("offset", 0)), position.get("total"), position.get("last")
    query = {k: v for k, v in (params or {}).items() if v is not None}

    async def read(begin: int, count: int) -> tuple[list[dict[str, Any]], int]:
        answer = (
            await airflow.get(route, params={**query, "limit": min(count, MOST_ROWS), "offset": begin})
        ).json()
        return answer[rows_key], int(answer["total_entries"])

    if not offset or last is None:
        rows, total = await read(offset, limit)
        grown = total - seen if newest_first and seen is not None else 0
        if grown > 0:
            offset += grown
            rows, total = await read(offset, limit)
        return rows, total, offset
    at, count = offset - 1, limit + 1
    probed: set[int] = set()
    while at not in probed and len(probed) < 4:
        probed.add(at)
        rows, total = await read(at, count)
        found = next((i for i, row in enumerate(rows) if _mark(row) == last), None)
        if found is not None:
            offset = at + found + 1
            rest = rows[found + 1 :]
            if not rest and offset < total:
                rest, total = await read(offset, limit)
            return rest[:limit], total, offset
        grown = max(0, total - seen) if seen is not None else 0
        # Where it must be if the list grew at its front, then all around.
        at, count = (offset - 1 + grown, limit + 1) if newest_first else (at, count)
        if at in probed:
            at, count = max(0, offset - 1 - MOST_ROWS // 2), MOST_ROWS
        if at in probed:
            at = offset - 1 + MOST_ROWS // 2
    # The last row itself is gone.
    offset += max(0, total - seen) if newest_first and seen is not None else 0
    rows, total = await read(offset, limit)
    return rows, total, offset


class _Schema(GenerateJsonSchema):
    """JSON Schema without what only costs tokens: titles, null alternatives and what is so by default."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False

    def nullable_schema(self, schema: Any) -> dict[str, Any]:
        return self.generate_inner(schema["schema"])

    def dict_schema(self, schema: Any) -> dict[str, Any]:
        built = super().dict_schema(schema)
        if built.get("additionalProperties") is True:
            del built["additionalProperties"]
        return built

    def default_schema(self, schema: Any) -> dict[str, Any]:
        built = super().default_schema(schema)
        if built.get("default", ...) is None:
            del built["default"]
        return built

    def generate(self, schema: Any, mode: Any = "validation") -> dict[str, Any]:
        built = super().generate(schema, mode)
        built.pop("title", None)
        built.pop("description", None)
        for definition in built.get("$defs", {}).values():
            definition.pop("title", None)
            definition.pop("description", None)
        return built


def bind_tool(function: Callable[..., Any], *, toolset: str, owner: str) -> Tool:
    """Read a function marked by ``@tool`` and return the tool it is.

    :raises TypeError: The function is not marked, has no docstring, has a parameter without a type, or
        does not say what it returns.
    """
    options: _ToolOptions | None = getattr(function, _OPTIONS, None)
    if options is None:
        raise TypeError(f"{function!r} is not marked with @tool")
    name = function.__name__
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name):
        raise TypeError(f"{name!r} cannot be the name of a tool: letters, digits, _ and -, at most 64")
    description = inspect.cleandoc(function.__doc__ or "")
    if not description:
        raise TypeError(f"the tool {name} has no docstring, which is its description")
    hints = typing.get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise TypeError(f"the tool {name} takes *{parameter.name}: name every argument")
        if parameter.name not in hints:
            raise TypeError(f"the argument {parameter.name} of the tool {name} has no type")
        if hints[parameter.name] in _INJECTED:
            continue
        if options.input_schema is not None and parameter.name != "arguments":
            raise TypeError(f"the tool {name} brings its own schema: it takes its arguments as `arguments`")
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[parameter.name] = (hints[parameter.name], default)
    if "return" not in hints:
        raise TypeError(f"the tool {name} does not say what it returns")
    arguments = None
    if options.input_schema is None:
        arguments = pydantic.create_model(
            name, __config__=pydantic.ConfigDict(extra="forbid", arbitrary_types_allowed=True), **fields
        )
    return Tool(
        name=name,
        title=options.title or name.replace("_", " ").capitalize(),
        description=description,
        access=options.access,
        toolset=toolset,
        owner=owner,
        idempotent=options.idempotent,
        since=options.since,
        until=options.until,
        function=function,
        preview=options.preview,
        arguments=arguments,
        input_schema=arguments.model_json_schema(schema_generator=_Schema)
        if arguments is not None
        else dict(options.input_schema or {}),
        output_schema=_output_schema(name, hints["return"]),
        job=options.job,
    )


def outline(output: Mapping[str, Any] | None, inputs: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the part of an output schema that every request pays for: what each result surely has.

    Left out are the inside of each field, fields that may be missing, and fields that repeat an argument,
    unless nothing would be left. What fits the whole schema fits its outline too.

    :param output: The whole schema; None for a tool without one.
    :param inputs: The tool's input schema.
    """
    if output is None:
        return None
    fields = {name: field for name, field in output.get("properties", {}).items() if name not in _IN_ALL}
    certain = [name for name in fields if name in output.get("required", ())]
    new = [name for name in certain if name not in inputs.get("properties", {})]
    shown = {}
    for name in new or certain or fields:
        kind = "object" if "$ref" in fields[name] else fields[name].get("type")
        shown[name] = {"type": kind} if kind else {}
    return {"type": "object", "properties": shown}


_IN_ALL = ("truncated", "hint")
"""Fields that any result may have: the server's instructions and the results themselves explain them."""


def _output_schema(name: str, returned: Any) -> dict[str, Any] | None:
    """Return the schema of what a tool returns; None if that is ``Content``."""
    kinds = [kind for kind in typing.get_args(returned) if kind is not JobStarted]
    if isinstance(returned, types.UnionType) or typing.get_origin(returned) is typing.Union:
        returned = kinds[0] if len(kinds) == 1 else typing.Union[tuple(kinds)]  # noqa: UP007
    if returned is Content:
        return None
    output = pydantic.TypeAdapter(returned).json_schema(schema_generator=_Schema)
    if output.get("type") != "object":
        raise TypeError(f"the tool {name} returns no object: return a pydantic model")
    return output


@functools.lru_cache(maxsize=512)
def _parameters(function: Callable[..., Any]) -> tuple[frozenset[str], Mapping[str, type]]:
    """Return the names of a function's parameters, and the types of those that the server fills in."""
    hints = typing.get_type_hints(function)
    injected = {name: hint for name, hint in hints.items() if hint in _INJECTED}
    return frozenset(inspect.signature(function).parameters), injected


async def run_function(
    function: Callable[..., Any], arguments: Mapping[str, Any], airflow: Airflow, client: Client | None = None
) -> Any:
    """Call a tool's function (or preview) with those of ``arguments`` that it takes.

    A plain ``def`` runs in a worker thread with an ``AirflowSync``.
    """
    import anyio.to_thread

    wanted, injected = _parameters(function)
    given: dict[str, Any] = {name: value for name, value in arguments.items() if name in wanted}
    for name, kind in injected.items():
        if kind is Airflow:
            given[name] = airflow
        elif kind is AirflowSync:
            given[name] = airflow.for_thread()
        elif kind is Caller:
            given[name] = airflow.caller
        elif kind is Client:
            given[name] = client or Client()
    with serving(airflow):
        if inspect.iscoroutinefunction(function):
            return await function(**given)
        return await anyio.to_thread.run_sync(functools.partial(function, **given))


@dataclass(frozen=True)
class Shaped:
    """A result as it goes out: JSON-ready data and the same as compact text."""

    data: dict[str, Any]
    text: str = field(repr=False)


def shape_result(result: Any, max_chars: int) -> Shaped:
    """Turn what a tool returned into data of at most ``max_chars`` characters, cut at item borders."""
    data, text = _dump(result)
    if len(text) <= max_chars:
        return Shaped(data, text)
    if isinstance(result, Page):
        low, high = 1, len(getattr(result, result.items_field))
        while low < high:
            middle = (low + high + 1) // 2
            if len(_dump(result.keep(middle))[1]) <= max_chars:
                low = middle
            else:
                high = middle - 1
        data, text = _dump(result.keep(low))
        if len(text) <= max_chars:
            return Shaped(data, text)
    data["truncated"] = True
    data.setdefault("hint", "Cut to fit max_result_chars; ask for less at once, or for one item alone.")
    for _ in range(200):
        excess = len(_compact(data)) - max_chars
        if excess <= 0:
            break
        _cut_largest(data, excess)
    return Shaped(data, _compact(data))


def _dump(result: Any) -> tuple[dict[str, Any], str]:
    if isinstance(result, pydantic.BaseModel):
        data = result.model_dump(mode="json", exclude_none=True, by_alias=True)
    else:
        data = pydantic.TypeAdapter(dict[str, Any]).dump_python(dict(result), mode="json")
    return data, _compact(data)


def _compact(data: Any) -> str:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def _cut_largest(container: Any, excess: int) -> None:
    """Shorten the largest list or text inside ``container`` by about ``excess`` characters."""
    while True:
        pairs = list(container.items()) if isinstance(container, dict) else list(enumerate(container))
        key, value = max(pairs, key=lambda pair: len(_compact(pair[1])))
        if isinstance(value, str):
            keep = max(0, len(value) - excess - 40)
            container[key] = f"{value[:keep]}… ({len(value) - keep} more characters)"
            return
        if isinstance(value, list) and len(value) > 1:
            freed = 0
            while len(value) > 1 and freed < excess:
                freed += len(_compact(value.pop())) + 1
            return
        if (
            isinstance(value, dict)
            and len(value) > 1
            and not any(len(_compact(v)) * 2 > len(_compact(value)) for v in value.values())
        ):
            freed = 0
            while len(value) > 1 and freed < excess:
                freed += len(_compact(value.popitem()[1])) + 1
            return
        if not isinstance(value, (dict, list)) or not value:
            return
        container = value
