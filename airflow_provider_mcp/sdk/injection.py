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
"""What the server fills in when it calls a function of a plugin, and the call itself."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider_mcp.sdk.airflow import Airflow, AirflowSync, Caller, serving
from airflow_provider_mcp.sdk.arguments import Arguments
from airflow_provider_mcp.sdk.client import Client
from airflow_provider_mcp.sdk.json_types import JSON, JSONObject

INJECTED = (Airflow, AirflowSync, Caller, Client)
"""The types of parameters that the server fills in."""


def takes_arguments_whole(hint: object) -> bool:
    """Say whether a parameter with this type takes all of a tool's arguments as one object."""
    return isinstance(hint, type) and issubclass(hint, Arguments)


@functools.lru_cache(maxsize=512)
def _parameters(function: Callable[..., object]) -> tuple[frozenset[str], Mapping[str, JSON]]:
    """Return the names of a function's parameters, and the types of those that the server fills in."""
    hints = typing.get_type_hints(function)
    filled = {
        name: hint
        for name, hint in hints.items()
        if name != "return" and (hint in INJECTED or takes_arguments_whole(hint))
    }
    return frozenset(inspect.signature(function).parameters), filled


async def run_function(
    function: Callable[..., object],
    arguments: Mapping[str, JSON],
    airflow: Airflow,
    client: Client | None = None,
) -> Any:
    """Call a tool's function, or another one of a plugin, with those of ``arguments`` that it takes.

    A plain ``def`` runs in a worker thread with an ``AirflowSync``.
    """
    import anyio.to_thread

    wanted, filled = _parameters(function)
    values: JSONObject = {name: value for name, value in arguments.items() if name in wanted}
    for name, kind in filled.items():
        if kind is Airflow:
            values[name] = airflow
        elif kind is AirflowSync:
            values[name] = airflow.for_thread()
        elif kind is Caller:
            values[name] = airflow.caller
        elif kind is Client:
            values[name] = client or Client()
        else:
            values[name] = kind.model_validate(dict(arguments), by_name=True)
    with serving(airflow):
        if inspect.iscoroutinefunction(function):
            return await function(**values)
        return await anyio.to_thread.run_sync(functools.partial(function, **values))
