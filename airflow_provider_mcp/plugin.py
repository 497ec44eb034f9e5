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
"""The Airflow plugin: picks the host for the Airflow it finds, when a web process asks for it."""

from __future__ import annotations

from typing import Any

from airflow.plugins_manager import AirflowPlugin


class _Lazy:
    """A plugin attribute that is computed when a web process (or ``airflow plugins``) reads it.

    Airflow reads attributes of the class when the plugin came from provider metadata and of an instance
    when it came from an entry point; a ``property`` would serve only the latter.
    """

    def __init__(self, line: int, build: str) -> None:
        self._line = line
        self._build = build

    def __get__(self, instance: object, owner: type | None = None) -> list[Any]:
        from airflow import __version__

        if int(__version__.split(".", 1)[0]) != self._line:
            return []
        from importlib import import_module

        from airflow_provider_mcp.hosts.options import read_options

        if not read_options().enabled:
            return []

        built: list[Any] = getattr(
            import_module(f"airflow_provider_mcp.hosts.airflow{self._line}.mount"), self._build
        )()
        return built


class MCPPlugin(AirflowPlugin):  # type: ignore[misc]
    """Mounts the MCP endpoint at ``/mcp/v1``: a FastAPI app on Airflow 3, a Flask blueprint on Airflow 2."""

    name = "mcp"
    fastapi_apps: Any = _Lazy(3, "fastapi_apps")
    fastapi_root_middlewares: Any = _Lazy(3, "fastapi_root_middlewares")
    external_views: Any = _Lazy(3, "external_views")
    flask_blueprints: Any = _Lazy(2, "flask_blueprints")
    appbuilder_menu_items: Any = _Lazy(2, "appbuilder_menu_items")
