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
"""Every operation of this Airflow's own REST API: found by words, called by its path."""

from __future__ import annotations

from airflow_provider_mcp.sdk import Toolset, hookimpl
from airflow_provider_mcp.tools.api.calls import call_api, call_api_read
from airflow_provider_mcp.tools.api.search import search_api
from airflow_provider_mcp.tools.shared.icons import API_ICON


@hookimpl
def register_toolsets() -> list[Toolset]:
    return [
        Toolset(
            "api",
            "Any operation of Airflow's REST API.",
            [search_api, call_api_read, call_api],
            icon=API_ICON,
        ),
    ]
