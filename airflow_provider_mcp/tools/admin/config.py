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

import difflib
from typing import Annotated, Any

from pydantic import Field

from airflow_provider_mcp.sdk import (
    Airflow,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    Result,
    ToolError,
    path,
    tool,
)
from airflow_provider_mcp.tools.shared.configuration import list_options


class Config(Result):
    config: dict[str, dict[str, Any]]


def _not_exposed(airflow: Airflow, refused: ToolError) -> ToolError:
    section = "webserver" if airflow.site.version.startswith("2.") else "api"
    return PermissionDenied(
        "This Airflow does not show its configuration.",
        hint=f"An administrator can set [{section}] expose_config = True.",
        **refused.identifiers,
    )


@tool(access="read")
async def get_config(
    airflow: Airflow,
    section: Annotated[str | None, Field(description="Section; all if left out.")] = None,
    option: Annotated[str | None, Field(description="Option of the section.")] = None,
) -> Config:
    """Get Airflow's configuration: an option, a section or all of it."""
    if option is not None and section is None:
        raise InvalidArgument("option needs section.", hint="Give section too.")
    try:
        if section is None:
            answer = (await airflow.get("config")).json()
        elif option is None:
            path("{}", section)
            answer = (await airflow.get("config", params={"section": section})).json()
        else:
            answer = (await airflow.get(path("config/section/{}/option/{}", section, option))).json()
    except ToolError as refused:
        if refused.code == "permission_denied" and "expose" in refused.message:
            raise _not_exposed(airflow, refused) from None
        if refused.code != "not_found" or section is None:
            raise
        raise await _missed_option(airflow, section, option) from None
    return Config(config=list_options(airflow, answer))


async def _missed_option(airflow: Airflow, section: str, option: str | None) -> ToolError:
    sections = {
        held["name"]: [row["key"] for row in held["options"]]
        for held in (await airflow.get("config")).json()["sections"]
    }
    if option is not None and section in sections:
        asked, names, message = option, sections[section], f"No option `{option}` in [{section}]"
    else:
        asked, names, message = section, list(sections), f"No section [{section}]"
    close = difflib.get_close_matches(asked, names, 3, 0.6)
    said = f"; did you mean {' or '.join(f'`{name}`' for name in close)}?" if close else "."
    return NotFound(
        message + said,
        hint="" if close else "Leave option, or section too, out to see what there is.",
        did_you_mean=close,
        section=section,
        option=option,
    )
