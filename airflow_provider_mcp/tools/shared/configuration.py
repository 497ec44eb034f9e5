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
"""Airflow's configuration as the REST API lists it, without its secrets: for each way to read it."""

from __future__ import annotations

import re

from airflow_provider_mcp.sdk import JSON, Airflow, JSONObject

HIDDEN = "< hidden >"
"""What Airflow shows in place of a sensitive option."""

_SWITCH = re.compile(r"true|false|\d{1,2}", re.IGNORECASE)


def mask_sections(airflow: Airflow, sections: list[JSONObject]) -> list[JSONObject]:
    """Return the sections of a REST answer about the configuration with their secrets masked."""
    return [
        {
            **section,
            "options": [
                {**row, "value": _mask_option(airflow, section["name"], row["key"], row["value"])}
                for row in section["options"]
            ],
        }
        for section in sections
    ]


def _mask_option(airflow: Airflow, section: str, option: str, value: JSON) -> JSON:
    if airflow.site.hides_option(section, option):
        return HIDDEN
    # What is on or off, or a small number, is no secret, whatever it is called.
    plain = value in (None, "") or _SWITCH.fullmatch(str(value))
    return value if plain else airflow.redact(value, option)


def list_options(airflow: Airflow, answer: JSONObject) -> dict[str, JSONObject]:
    """Return what a REST answer about the configuration says, by section and option, without secrets."""
    return {
        section["name"]: {row["key"]: row["value"] for row in section["options"]}
        for section in mask_sections(airflow, answer["sections"])
    }
