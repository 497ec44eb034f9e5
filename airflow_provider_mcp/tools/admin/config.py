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
"""The tool that reads Airflow's configuration."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from airflow_provider_mcp.sdk import (
    Airflow,
    JSONObject,
    NotFound,
    PermissionDenied,
    Result,
    find_close_names,
    near_miss,
    path,
    tool,
)
from airflow_provider_mcp.tools.shared.configuration import list_options
from airflow_provider_mcp.tools.shared.versions import is_airflow_2


class Config(Result):
    config: dict[str, JSONObject]


@tool(access="read", search_hint="what is it set to, which executor is configured")
async def get_config(
    airflow: Airflow,
    section: Annotated[str | None, Field(description="Section; all if left out.")] = None,
    option: Annotated[str | None, Field(description="Option, of any section if that is left out.")] = None,
) -> Config:
    """Get Airflow's configuration (airflow.cfg settings).

    An option such as parallelism or the executor, a section or all.
    """
    try:
        found = list_options(airflow, await _read(airflow, section, option))
    except PermissionDenied as refused:
        if "expose" not in refused.message:
            raise
        where = "webserver" if is_airflow_2(airflow) else "api"
        raise PermissionDenied(
            "This Airflow does not show its configuration.",
            hint=f"An administrator can set [{where}] expose_config = True.",
            **refused.identifiers,
        ) from None
    except NotFound:
        if section is None:
            raise
        raise await _miss_option(airflow, section, option) from None
    if section is not None or option is None:
        return Config(config=found)
    having = {name: {option: values[option]} for name, values in found.items() if option in values}
    if not having:
        known = sorted({key for values in found.values() for key in values})
        close = find_close_names(option, known)
        raise near_miss(f"No option `{option}` in any section", close, hint=_ALL, option=option)
    return Config(config=having)


_ALL = "Leave option, or section too, out to see what there is."


async def _read(airflow: Airflow, section: str | None, option: str | None) -> JSONObject:
    if section is None:
        answer = await airflow.get("config")
    elif option is None:
        path("{}", section)
        answer = await airflow.get("config", params={"section": section})
    else:
        answer = await airflow.get(path("config/section/{}/option/{}", section, option))
    sections: JSONObject = answer.json()
    return sections


async def _miss_option(airflow: Airflow, section: str, option: str | None) -> NotFound:
    sections = list_options(airflow, await _read(airflow, None, None))
    if option is not None and section in sections:
        close = find_close_names(option, sections[section])
        what = f"No option `{option}` in [{section}]"
    else:
        close = find_close_names(section, sections)
        what = f"No section [{section}]"
    return near_miss(what, close, hint=_ALL, section=section, option=option)
