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

from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import flask
from airflow.configuration import conf
from flask.blueprints import BlueprintSetupState

from airflow_provider_mcp.endpoint.elsewhere import HEADERS, answer_elsewhere, find_metadata
from airflow_provider_mcp.hosts.once import Once
from airflow_provider_mcp.hosts.options import read_options

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from airflow_provider_mcp.endpoint.door import Reply
    from airflow_provider_mcp.hosts.airflow2.serving import Serving

EXTENSION = "airflow_provider_mcp"
"""The key in ``app.extensions``."""

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def flask_blueprints() -> list[flask.Blueprint]:
    """Return the plugin's ``flask_blueprints``: one blueprint with the endpoint."""
    blueprint = flask.Blueprint("mcp", __name__, url_prefix="/mcp")
    routes = {"/v1": "v1", "/v1/": "v1_slash"}
    for rule, name in routes.items():
        blueprint.add_url_rule(
            rule,
            endpoint=name,
            view_func=_view,
            methods=METHODS,
            provide_automatic_options=False,
            strict_slashes=True,
        )
    # What is none of our pages is answered before Airflow looks for a route.
    for rule, name in {"/": "connect", "/<path:page>": "page"}.items():
        blueprint.add_url_rule(
            rule, endpoint=name, view_func=_view_page, methods=["GET", "POST"], strict_slashes=True
        )
    blueprint.add_url_rule(
        "/oauth/<path:route>",
        endpoint="oauth",
        view_func=_view_login,
        methods=METHODS,
        provide_automatic_options=False,
    )
    blueprint.record_once(_install)
    return [blueprint]


def appbuilder_menu_items() -> list[dict[str, str]]:
    """Return the plugin's ``appbuilder_menu_items``: a link to our pages."""
    pages = urlsplit(conf.get("webserver", "base_url", fallback="")).path.rstrip("/") + "/mcp/"
    return [{"name": "MCP", "category": "Browse", "href": pages}]


def _install(state: BlueprintSetupState) -> None:
    """Prepare the app that the blueprint is registered on."""
    app = state.app
    app.wsgi_app = _answer_elsewhere(app.wsgi_app)
    serving = app.extensions[EXTENSION] = Once(lambda: _build_serving(app))
    # `airflow users create` and the like build apps without CSRF protection and without a REST API.
    csrf = app.extensions.get("csrf")
    if csrf is not None:
        csrf.exempt(state.blueprint)
        serving.build_early()


def _answer_elsewhere(wsgi_app: WSGIApplication) -> WSGIApplication:
    """Answer what is asked for beside the endpoint, also above the prefix that Airflow is served below."""
    prefix = urlsplit(conf.get("webserver", "base_url", fallback="")).path.rstrip("/")
    login = read_options().oauth_enabled

    def call(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        route = find_metadata(path, prefix) if login else None
        if route is not None:
            environ = {**environ, "SCRIPT_NAME": "", "PATH_INFO": prefix + route}
            return wsgi_app(environ, start_response)
        body = answer_elsewhere(path, prefix)
        answer: WSGIApplication = wsgi_app if body is None else flask.Response(body, 404, HEADERS)
        return answer(environ, start_response)

    return call


def _build_serving(app: flask.Flask) -> Serving:
    # It imports much, which only a web process needs.
    from airflow_provider_mcp.hosts.airflow2.serving import Serving

    return Serving(app)


def _view_login(route: str) -> flask.Response:
    serving: Once[Serving] = flask.current_app.extensions[EXTENSION]
    reply = serving.get().answer_login(route)
    if not flask.session.get("_user_id"):
        # As below: what nobody is logged in for leaves no row in the session table.
        context = flask.globals.request_ctx
        context.session = flask.current_app.session_interface.make_null_session(flask.current_app)
    response = flask.Response(reply.body, reply.status, dict(reply.headers))
    for cookie in reply.cookies:
        response.headers.add("Set-Cookie", cookie)
    return response


def _view() -> flask.Response:
    serving: Once[Serving] = flask.current_app.extensions[EXTENSION]
    try:
        reply = serving.get().answer()
    finally:
        # A null session is not saved: a call leaves no row in the session table and sets no cookie.
        context = flask.globals.request_ctx
        context.session = flask.current_app.session_interface.make_null_session(flask.current_app)
    return _make_response(reply)


def _view_page(**_: str) -> flask.Response:
    serving: Once[Serving] = flask.current_app.extensions[EXTENSION]
    return _make_response(serving.get().answer_page())


def _make_response(reply: Reply) -> flask.Response:
    headers = {"Cache-Control": "no-store", **reply.headers}
    if reply.stream is not None:
        return flask.Response(reply.stream, reply.status, headers, direct_passthrough=True)
    return flask.Response(reply.body, reply.status, headers)
