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
"""What a tool is: ``@tool``, ``Toolset``, and the tool as the server offers it."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, get_args

import pydantic

from airflow_provider_mcp.sdk.arguments import check_arguments, check_by_schema
from airflow_provider_mcp.sdk.coercion import coerce_arguments
from airflow_provider_mcp.sdk.content import Content
from airflow_provider_mcp.sdk.errors import InternalError
from airflow_provider_mcp.sdk.jobs import Job, JobStarted
from airflow_provider_mcp.sdk.json_types import JSON, JSONObject

log = logging.getLogger(__name__)

Access = Literal["read", "write", "destructive"]

Function = TypeVar("Function", bound=Callable[..., object])

OPTIONS = "__airflow_mcp_tool__"
"""The attribute by which ``@tool`` marks a function."""

_IMAGE = re.compile(r"data:image/[a-z0-9.+-]+(;[A-Za-z0-9=-]+)*,.")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_PREFIX = re.compile(r"[A-Za-z0-9_-]{2,32}")


@dataclass(frozen=True)
class ToolOptions:
    """What ``@tool`` was given."""

    access: Access
    name: str | None
    title: str | None
    description: str | None
    keywords: tuple[str, ...]
    search_hint: str
    replaces: bool
    open_world: bool
    idempotent: bool
    since: str | None
    until: str | None
    preview: Callable[..., object] | None
    input_schema: Mapping[str, JSON] | None
    job: Job | None


def tool(
    *,
    access: Access,
    name: str | None = None,
    title: str | None = None,
    description: str | None = None,
    keywords: Sequence[str] = (),
    search_hint: str = "",
    replaces: bool = False,
    open_world: bool = False,
    idempotent: bool = False,
    since: str | None = None,
    until: str | None = None,
    preview: Callable[..., object] | None = None,
    input_schema: Mapping[str, JSON] | None = None,
    job: Job | None = None,
) -> Callable[[Function], Function]:
    """Mark a function as a tool and return it unchanged.

    The docstring is the description, the type hints are the schemas. A parameter annotated with
    ``Airflow``, ``AirflowSync``, ``Caller`` or ``Client`` is filled in by the server and hidden from
    callers. A parameter annotated with a subclass of ``Arguments`` takes all arguments as one object. A
    tool that returns no data but text, pictures and the like returns ``Content``.

    :param access: ``read`` changes nothing, ``write`` adds or changes what can be changed back,
        ``destructive`` may lose something.
    :param name: Its name; None for that of the function. With ``description``, it is for a function that is
        made anew for each tool, as those of ``register_dynamic_tools`` are.
    :param description: Its description; None for the docstring.
    :param keywords: Words that people use for what the tool does and that its description does not have.
        A client that searches its tools finds it by them.
    :param search_hint: Further such words, which no model pays for: they are for clients that load a tool
        when it is searched for and read a hint for that (Claude Code).
    :param replaces: It replaces or loses a stored value, though it can be put back: clients are told that it
        is destructive. (Tools with the access ``destructive`` always are.)
    :param open_world: It reaches beyond Airflow, or brings in text from beyond it, such as a log.
    :param idempotent: Calling it twice has the effect of calling it once.
    :param since: The first Airflow version that can serve it, for example ``3.0``.
    :param until: The first Airflow version that no longer can.
    :param preview: A function that says what the call would do. It takes the tool's ``Arguments``, or some
        of the tool's parameters. A confirmation is valid while it says the same, except for what it puts
        under ``now``.
    :param input_schema: The JSON schema (2020-12) of the arguments, for a function that takes them in one
        parameter ``arguments: dict[str, Any]``.
    :param job: How to look after work that goes on after the call; such a tool may return ``JobStarted``
        to a client with ``takes_jobs``.
    :raises TypeError: The access level is none of the three, or another option is not what it must be.
    """

    def mark(function: Function) -> Function:
        label = name or getattr(function, "__name__", repr(function))
        if access not in get_args(Access):
            raise TypeError(
                f"the tool {label} has the access {access!r}: write access='read', 'write' or 'destructive'"
            )
        if isinstance(keywords, str) or not all(isinstance(word, str) for word in keywords):
            raise TypeError(f"the keywords of the tool {label} must be a list of texts: keywords=['retry']")
        for option, version in (("since", since), ("until", until)):
            if version is not None and not re.match(r"\d+(\.\d+)*", version):
                raise TypeError(
                    f"the tool {label} has {option}={version!r}: write a version of Airflow, such as '3.1'"
                )
        options = ToolOptions(
            access=access,
            name=name,
            title=title,
            description=description,
            keywords=tuple(keywords),
            search_hint=search_hint,
            replaces=replaces,
            open_world=open_world,
            idempotent=idempotent,
            since=since,
            until=until,
            preview=preview,
            input_schema=input_schema,
            job=job,
        )
        setattr(function, OPTIONS, options)
        return function

    return mark


@dataclass(frozen=True)
class Toolset:
    """A named group of tools that an administrator switches on or off together.

    :param name: Letters, digits, ``_`` and ``-``: administrators write it into ``[mcp] toolsets``.
    :param icon: An image that stands for the group in clients, as a ``data:image/...`` URI, at best of a few
        hundred bytes. An address elsewhere is refused: clients would fetch it.
    :param dynamic_prefix: What the names of the tools begin with that the plugin's ``register_dynamic_tools``
        adds to the group; None if it adds none.
    :raises ValueError: The name, the icon or the prefix is not such a text.
    """

    name: str
    description: str
    tools: Sequence[Callable[..., object]]
    icon: str | None = None
    dynamic_prefix: str | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(
                f"{self.name!r} cannot be the name of a toolset: letters, digits, _ and -, at most 64"
            )
        if self.icon is not None and not _IMAGE.match(self.icon):
            raise ValueError(f"the icon of the toolset {self.name!r} must be a data:image/... URI")
        if self.dynamic_prefix is not None and not _PREFIX.fullmatch(self.dynamic_prefix):
            raise ValueError(
                f"the dynamic_prefix of the toolset {self.name!r} must be 2 to 32 letters, digits, _ or -"
            )


@dataclass(frozen=True)
class DynamicTools:
    """The tools that one caller is offered, as ``register_dynamic_tools`` returns them.

    :param toolset: The name of a toolset that the same plugin registers, with a ``dynamic_prefix``.
    :param tools: Functions marked with ``@tool``, in an order that stays the same.
    :param left_out: A sentence for each tool that could not be offered, for who looks after it.
    """

    toolset: str
    tools: Sequence[Callable[..., object]]
    left_out: Sequence[str] = ()


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
    function: Callable[..., object]
    preview: Callable[..., object] | None
    arguments: type[pydantic.BaseModel] | None
    """None for a tool that brings its own ``input_schema``."""
    input_schema: Mapping[str, JSON]
    output_schema: Mapping[str, JSON] | None
    """None for a tool that returns ``Content``."""
    job: Job | None
    keywords: tuple[str, ...] = ()
    search_hint: str = ""
    """Words that only a client's search reads."""
    replaces: bool = False
    """It replaces or loses a stored value."""
    open_world: bool = False
    """It reaches beyond Airflow, or brings in text from beyond it."""
    dynamic: bool = False
    """It is offered to its caller alone, and its texts were written by others."""
    warnings: tuple[str, ...] = ()
    """What some clients cannot take about it, for its author."""
    result: pydantic.TypeAdapter[Any] | None = field(default=None, repr=False)
    """What checks that a result is what the tool promises to return; None for a tool without a schema."""

    def coerce(self, arguments: Mapping[str, JSON]) -> JSONObject:
        """Return the arguments of a call, still JSON, as the tool's schema means them."""
        return coerce_arguments(self.input_schema, arguments, reads=self.access == "read")

    def check(self, arguments: Mapping[str, JSON]) -> JSONObject:
        """Return the arguments by name, coerced, checked and converted.

        :raises ToolError: ``invalid_argument`` that names each argument at fault.
        """
        coerced = self.coerce(arguments)
        if self.arguments is None:
            return {"arguments": check_by_schema(self.name, self.input_schema, coerced)}
        return check_arguments(self.name, self.arguments, self.input_schema, coerced)

    def check_result(self, result: Any) -> Any:
        """Return what the function returned, if it is what the tool promises.

        :raises ToolError: ``internal``: it is something else.
        """
        if isinstance(result, JobStarted) and self.job is not None:
            return result
        if self.result is None:
            fits = isinstance(result, Content)
            promise, reason = "Content", ""
        else:
            try:
                return self.result.validate_python(result)
            except pydantic.ValidationError as misfit:
                fits = False
                promise = getattr(self.result._type, "__name__", str(self.result._type))
                first = misfit.errors(include_url=False, include_input=False)[0]
                where = ".".join(str(part) for part in first["loc"])
                reason = f" ({where}: {first['msg']})" if where else ""
        if fits:
            return result
        message = f"{self.name} returned {type(result).__name__}, where it promises {promise}{reason}."
        log.error("MCP tool of plugin %s: %s", self.owner, message)
        raise InternalError(message, hint=f"It is a fault of the tool: tell who maintains {self.owner}.")


@dataclass(frozen=True)
class ToolCall:
    """What is told about a finished call."""

    tool: str
    access: Access
    user: str
    client: str | None
    """What the client calls itself."""
    dag_id: str | None
    dag_run_id: str | None
    """None for a call that is not about one, or names none that is known; so are the task and its index."""
    outcome: str
    """``ok``, ``cancelled`` if the client went away, or the code of the error."""
    duration: float
    """Seconds."""
    task_id: str | None = None
    map_index: int | None = None
