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
    InvalidArgument,
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
    option: Annotated[str | None, Field(description="Option of the section.")] = None,
) -> Config:
    """Get Airflow's configuration (airflow.cfg settings).

    An option such as parallelism or the executor, a section or all.
    """
    if option is not None and section is None:
        raise InvalidArgument("option needs section.", hint="Give section too.")
    try:
        return Config(config=list_options(airflow, await _read(airflow, section, option)))
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
    hint = "Leave option, or section too, out to see what there is."
    return near_miss(what, close, hint=hint, section=section, option=option)
