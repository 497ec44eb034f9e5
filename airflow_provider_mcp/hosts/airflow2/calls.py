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
"""Airflow 2: calls into the same app as the caller."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import flask

if TYPE_CHECKING:
    from airflow_provider_mcp.hosts.airflow2.serving import _Served


_CALLER_KEY = "airflow_provider_mcp.caller"
"""Key of the WSGI environment. Headers of a client arrive as ``HTTP_...``: it cannot set this one."""


class InwardAuthentication:
    """An API authentication backend for calls that the endpoint itself makes for a caller it has checked.

    It stands first in ``app.api_auth``, so that the caller's password is not hashed again for each call.
    """

    @staticmethod
    def requires_authentication(function: Callable[..., Any]) -> Callable[..., Any]:
        """Let a call of ours through as its caller; leave every other request to the next backend."""

        @functools.wraps(function)
        def decorated(*args: Any, **kwargs: Any) -> Any:
            load_user = flask.request.environ.get(_CALLER_KEY)
            if load_user is None:
                return flask.Response("Unauthorized", 401)
            flask.g.user = load_user()
            return function(*args, **kwargs)

        return decorated


def _load_user(security: Any, user_id: Any, permissions: Any) -> Any:
    """Load a user by this thread's database session, without the hundreds of rows of what the roles permit.

    :param permissions: What the user may do, as the request that is served has found it: Airflow reads it
        once a request. None leaves it to be read anew.
    """
    from sqlalchemy.orm import lazyload

    user = security.get_session.get(security.user_model, user_id, options=[lazyload("*")])
    if permissions and hasattr(user, "_perms"):
        # Where the user's public `perms` keeps it; there is no public way in.
        user._perms = permissions
    return user


def _same(user: Any) -> Any:
    return user


def _inward(app: Any, load_user: Callable[[], Any], script_name: str) -> Any:
    """Return a transport that speaks Airflow 3's REST and calls ``app``'s."""
    import anyio.to_thread
    import httpx

    from airflow_provider_mcp.hosts.airflow2.rest import serve_v2
    from airflow_provider_mcp.sdk.airflow import INNER_HOST, NATIVE

    def call(environ: dict[str, Any], start_response: Any) -> Any:
        environ[_CALLER_KEY] = load_user
        # WSGI has the bytes of a path as Latin-1; the transport gives its characters.
        environ["PATH_INFO"] = environ["PATH_INFO"].encode().decode("latin-1")
        return app.wsgi_app(environ, start_response)

    # `app.wsgi_app` is the outermost app, Airflow's dispatcher included: the path carries the prefix.
    wsgi = httpx.WSGITransport(call, raise_app_exceptions=False)

    v1_url = f"http://{INNER_HOST}{script_name}/api/v1/"

    def send(inner: httpx.Request) -> httpx.Response:
        inner.headers["Accept-Encoding"] = "identity"
        # Without a context of its own, the call would have the login of the request that is being served.
        with app.app_context():
            answer = wsgi.handle_request(inner)
            answer.request = inner
            answer.read()
        return answer

    def run(outer: httpx.Request) -> httpx.Response:
        served: _Served = app.extensions["airflow_provider_mcp"]
        document = outer.extensions.get(NATIVE) and outer.url.path == "/api/v2/openapi.json"
        if document and served.document is not None:
            return httpx.Response(200, content=served.document, headers={"Content-Type": "application/json"})
        steps = serve_v2(outer, "/api/v2/", v1_url)
        try:
            step = next(steps)
            while True:
                step = steps.send(send(step))
        except StopIteration as answered:
            response: httpx.Response = answered.value
        if document and response.status_code == 200:
            served.document = response.content
        return response

    def run_and_release(outer: httpx.Request) -> httpx.Response:
        from airflow import settings

        try:
            return run(outer)
        finally:
            # Airflow leaves this thread's database session open where it refuses the caller.
            settings.Session.remove()

    class Inward(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await request.aread()
            # A thread of its own: in this one, the call would use the outer call's database session.
            return await anyio.to_thread.run_sync(run_and_release, request)

    return Inward()
