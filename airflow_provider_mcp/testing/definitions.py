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
"""What a tool's definition has to hold, and what it costs a model."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any

import mcp_types as types

from airflow_provider_mcp.sdk.binding import bind_tool
from airflow_provider_mcp.sdk.json_types import JSON
from airflow_provider_mcp.server.calls import describe_tool

MAX_TOKENS = 300
"""What one definition may cost by :func:`estimate_tokens`: a model pays for it with every request."""


def estimate_tokens(definition: JSON) -> int:
    """Estimate what a tool's definition costs a model, in tokens of o200k, without a tokenizer.

    :param definition: JSON-ready data, as ``tools/list`` shows it.
    """
    text = json.dumps(definition, ensure_ascii=False, separators=(",", ":"))
    pieces = re.findall(r"[A-Za-z]+|[0-9]{1,3}|[^\sA-Za-z0-9]+", text)
    return sum(
        math.ceil(len(piece) / 9) if piece[0].isalnum() else math.ceil(len(piece) / 4) for piece in pieces
    )


def assert_definition(function: Callable[..., Any], *, max_tokens: int = MAX_TOKENS) -> types.Tool:
    """Expect that a tool is defined as a model needs it; return the definition that a client sees.

    Every argument is described and has one type; the description begins with one line that ends in a full
    stop; the annotations follow from the access level and ``replaces``; the result has a schema that names
    its fields; and the whole is not larger than ``max_tokens``, as estimated by :func:`estimate_tokens`.
    """
    tool = bind_tool(function, toolset="under_test", owner="under_test")
    definition = describe_tool(tool)
    faults = [
        f"the argument {name} has no description: use Annotated[..., Field(description=...)]"
        for name, schema in tool.input_schema.get("properties", {}).items()
        if not schema.get("description")
    ]
    if not tool.description.splitlines()[0].endswith("."):
        faults.append("the docstring's first line is no sentence that ends with a full stop")
    faults += tool.warnings
    if tool.output_schema is not None and not tool.output_schema.get("properties"):
        faults.append("the result's schema names no field: return a pydantic model")
    hints = definition.annotations
    if hints is None or (hints.read_only_hint, hints.destructive_hint or False) != (
        tool.access == "read",
        tool.replaces,
    ):
        faults.append(f"the annotations {hints} do not say that its access is {tool.access}")
    cost = estimate_tokens(definition.model_dump(mode="json", by_alias=True, exclude_none=True))
    if cost > max_tokens:
        faults.append(f"it costs about {cost} tokens in every request, more than {max_tokens}")
    assert not faults, f"the tool {tool.name}: {'; '.join(faults)}"
    return definition
