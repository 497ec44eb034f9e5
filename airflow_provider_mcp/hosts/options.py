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
"""The ``[mcp]`` section of Airflow's configuration."""

from __future__ import annotations

import os

from airflow_provider_mcp.server.policy import FILE_OPTIONS, Policy, parse_options

_VARIABLES = "AIRFLOW__MCP__"


def read_options() -> Policy:
    """Return what the ``[mcp]`` section says, the environment included."""
    from airflow.configuration import conf

    # Airflow 2 knows no section that only the environment fills.
    in_environment = {
        name.removeprefix(_VARIABLES).lower() for name in os.environ if name.startswith(_VARIABLES)
    }
    section: dict[str, str] = {}
    # The values of `getsection` were turned into numbers and booleans by their looks.
    for name in {*FILE_OPTIONS, *in_environment, *(conf.getsection("mcp") or {})}:
        value = conf.get("mcp", name, fallback=None)
        if value is not None:
            section[name] = str(value)
    return parse_options(section)


def read_api_backends() -> list[str]:
    """Return the backends by which Airflow 2's REST API authenticates."""
    from airflow.configuration import conf

    names = conf.get("api", "auth_backends", fallback="").split(",")
    return [name.strip() for name in names if name.strip()]
