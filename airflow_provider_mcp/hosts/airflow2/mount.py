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
"""Airflow 2: where the endpoint is mounted, as a Flask blueprint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import flask

from airflow_provider_mcp.hosts.airflow2.serving import _base_url, _Served


def flask_blueprints() -> list[flask.Blueprint]:
    """Return the plugin's ``flask_blueprints``: one blueprint with the endpoint."""
    blueprint = flask.Blueprint("mcp", __name__, url_prefix="/mcp")
    methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
    for rule in ("/v1", "/v1/"):
        blueprint.add_url_rule(
            rule,
            endpoint=f"v1{rule[3:].replace('/', '_slash')}",
            view_func=_view,
            methods=methods,
            provide_automatic_options=False,
            strict_slashes=True,
        )
    blueprint.record_once(_install)
    return [blueprint]


def _install(state: Any) -> None:
    """Prepare the app that the blueprint is registered on."""
    app = state.app
    # `airflow users create` and the like build apps without CSRF protection and without a REST API.
    csrf = app.extensions.get("csrf")
    if csrf is not None:
        csrf.exempt(state.blueprint)
    app.wsgi_app = _without_cookies(app.wsgi_app, urlsplit(_base_url()).path)
    served = app.extensions["airflow_provider_mcp"] = _Served(app)
    if csrf is not None:
        served.build_early()


def _without_cookies(wsgi_app: Callable[..., Any], prefix: str) -> Callable[..., Any]:
    """Keep cookies from MCP requests, so that no session or remembered login authenticates one."""

    def call(environ: dict[str, Any], start_response: Any) -> Any:
        # With a path prefix, Airflow's dispatcher is inside this and has not yet moved the prefix.
        route = (environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")).removeprefix(prefix)
        if route == "/mcp" or route.startswith("/mcp/v1"):
            environ.pop("HTTP_COOKIE", None)
        return wsgi_app(environ, start_response)

    return call


def _view() -> flask.Response:
    served: _Served = flask.current_app.extensions["airflow_provider_mcp"]
    try:
        reply = served.answer()
    finally:
        # A null session is not saved: a call leaves no row in the session table and sets no cookie.
        context = flask.globals.request_ctx
        context.session = flask.current_app.session_interface.make_null_session(flask.current_app)
    headers = {"Cache-Control": "no-store", **reply.headers}
    if reply.stream is not None:
        return flask.Response(reply.stream, reply.status, headers, direct_passthrough=True)
    return flask.Response(reply.body, reply.status, headers)
