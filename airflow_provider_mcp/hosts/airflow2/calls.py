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
import threading
from collections.abc import Callable, MutableMapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import anyio.to_thread
import flask
import httpx
from airflow import settings
from airflow.security import permissions
from airflow.www.extensions.init_auth_manager import get_auth_manager
from sqlalchemy.orm import lazyload

from airflow_provider_mcp.hosts.airflow2.rest import serve_v2
from airflow_provider_mcp.hosts.database import UNAVAILABLE, is_database_fault
from airflow_provider_mcp.hosts.queries import Queries
from airflow_provider_mcp.sdk.airflow import INNER_HOST, NATIVE
from airflow_provider_mcp.sdk.guards import only_reads

_CALLER_KEY = "airflow_provider_mcp.caller"
"""Key of the WSGI environment. Headers of a client arrive as ``HTTP_...``: it cannot set this one."""

_FAILURE_KEY = "airflow_provider_mcp.failure"
"""Where the environment of a call has what it failed by, which its answer, a 500, does not say."""

LoadUser = Callable[[], Any]
"""Returns the caller, as the auth manager has it, for the thread that asks."""


@dataclass(frozen=True)
class Principal:
    """For whom a call of ours is. No HTTP request can bring such an object.

    :param may_write: Whether the caller's own token allows more than reading.
    """

    load_user: LoadUser
    may_write: bool = True


class InwardAuthentication:
    """An API authentication backend for calls that the endpoint itself makes for a caller it has checked.

    It stands first in ``app.api_auth``, so that the caller's password is not hashed again for each call.
    """

    @classmethod
    def install(cls, app: flask.Flask) -> None:
        """Let an app's REST API take such calls."""
        backends = app.api_auth
        if not backends or backends[0] is not cls:
            app.api_auth = [cls, *backends]

    @staticmethod
    def requires_authentication(function: Callable[..., Any]) -> Callable[..., Any]:
        """Let a call of ours through as its caller; leave every other request to the next backend."""

        @functools.wraps(function)
        def decorated(*args: Any, **kwargs: Any) -> Any:
            principal = flask.request.environ.get(_CALLER_KEY)
            if not isinstance(principal, Principal):
                return flask.Response("Unauthorized", 401)
            if not principal.may_write and not _only_reads():
                # Airflow's own, which the API turns into 403.
                from airflow.api_connexion.exceptions import PermissionDenied

                # With a returned 401 the next backend, or the public role, would take over.
                raise PermissionDenied(detail="The access token is for reading only.")
            flask.g.user = principal.load_user()
            return function(*args, **kwargs)

        return decorated


def _only_reads() -> bool:
    """Say whether the current Flask request changes nothing."""
    request = flask.request
    route = request.path.partition("/api/v1/")[2]
    return only_reads(request.method, route, request.get_data)


def prepare_user(app: flask.Flask, user: Any) -> LoadUser:
    """Return how other threads load the user whom this one has found.

    An ORM user belongs to this thread's database session: the others load their own, without the hundreds of
    rows of what the roles permit, which Airflow reads once a request.
    """
    security = getattr(app.appbuilder, "sm", None)
    if not hasattr(user, "_sa_instance_state") or security is None:
        return lambda: user
    user_id, permissions = user.id, getattr(user, "perms", None)

    def load() -> Any:
        loaded = security.get_session.get(security.user_model, user_id, options=[lazyload("*")])
        if permissions and hasattr(loaded, "_perms"):
            # Where the user's public `perms` keeps it; there is no public way in.
            loaded._perms = permissions
        return loaded

    return load


class InnerApp:
    """Airflow's app as the calls within a request need it.

    :param app: Airflow's app, which is left as it is.
    """

    base_url = f"http://{INNER_HOST}/api/v2/"

    def __init__(self, app: flask.Flask) -> None:
        self.app = app
        with suppress(RuntimeError):
            # Flask before 2.3 has no signals where blinker is not installed.
            flask.got_request_exception.connect(_keep_failure, app)
        self.document: bytes | None = None
        """The API's own OpenAPI document, the same for everyone, which Airflow 2 writes anew each time."""

    def open_transport(
        self, principal: Principal, script_name: str, queries: Queries | None = None
    ) -> Transport:
        """Return a transport for calls as one user.

        :param script_name: The path below which the request that is served has reached the app.
        :param queries: Takes note of what the calls have the database do.
        """
        return Transport(self, principal, script_name, queries or Queries())

    async def find_triggerable(self, load_user: LoadUser, dag_ids: Sequence[str]) -> frozenset[str]:
        """Return those of some Dags of which a user may start a run."""
        # A thread of its own, as for the calls: in this one, it would use the outer database session.
        return await anyio.to_thread.run_sync(self._find_triggerable, load_user, tuple(dag_ids))

    def _find_triggerable(self, load_user: LoadUser, dag_ids: Sequence[str]) -> frozenset[str]:
        try:
            with self.app.app_context():
                flask.g.user = load_user()
                may_trigger = _find_check(self.app)
                return frozenset(dag_id for dag_id in dag_ids if may_trigger(dag_id))
        finally:
            settings.Session.remove()


def _find_check(app: flask.Flask) -> Callable[[str], bool]:
    """Return how the route that starts a run decides whether the user of this context may."""
    manager = get_auth_manager()
    if not hasattr(manager, "is_authorized_dag"):
        # Airflow 2.7
        needed = [
            (permissions.ACTION_CAN_EDIT, permissions.RESOURCE_DAG),
            (permissions.ACTION_CAN_CREATE, permissions.RESOURCE_DAG_RUN),
        ]
        return lambda dag_id: bool(app.appbuilder.sm.check_authorization(needed, dag_id))
    from airflow.auth.managers.models.resource_details import DagAccessEntity, DagDetails

    return lambda dag_id: manager.is_authorized_dag(
        method="POST",
        access_entity=DagAccessEntity.RUN,
        details=DagDetails(id=dag_id),
        user=flask.g.user,
    )


def _keep_failure(_: object, exception: BaseException, **__: object) -> None:
    """Keep what a call of ours fails by."""
    if _CALLER_KEY in flask.request.environ:
        flask.request.environ[_FAILURE_KEY] = exception


class Transport(httpx.AsyncBaseTransport):
    """Speaks Airflow 3's REST API, and sends the calls of one user to Airflow 2's."""

    def __init__(self, inner: InnerApp, principal: Principal, script_name: str, queries: Queries) -> None:
        self._inner = inner
        self._queries = queries
        self._principal = principal
        self._v1_url = f"http://{INNER_HOST}{script_name}/api/v1/"
        # `app.wsgi_app` is the outermost app, Airflow's dispatcher included: the path carries the prefix.
        self._thread = threading.local()
        self._wsgi = httpx.WSGITransport(self._call, raise_app_exceptions=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        # A thread of its own: in this one, the call would use the outer call's database session.
        return await anyio.to_thread.run_sync(self._run_and_release, request)

    def _run_and_release(self, outer: httpx.Request) -> httpx.Response:
        try:
            with self._queries.watching(outer.method):
                return self._run(outer)
        finally:
            # Airflow leaves this thread's database session open where it refuses the caller.
            settings.Session.remove()

    def _run(self, outer: httpx.Request) -> httpx.Response:
        inner = self._inner
        document = outer.extensions.get(NATIVE) and outer.url.path == "/api/v2/openapi.json"
        if document and inner.document is not None:
            return httpx.Response(200, content=inner.document, headers={"Content-Type": "application/json"})
        steps = serve_v2(outer, "/api/v2/", self._v1_url)
        try:
            step = next(steps)
            while True:
                step = steps.send(self._send(step))
        except StopIteration as answered:
            response: httpx.Response = answered.value
        if document and response.status_code == 200:
            inner.document = response.content
        return response

    def _send(self, request: httpx.Request) -> httpx.Response:
        """Send one v1 request."""
        request.headers["Accept-Encoding"] = "identity"
        try:
            # Without a context of its own, the call would have the login of the request that is being served.
            with self._inner.app.app_context():
                answer = self._wsgi.handle_request(request)
                answer.request = request
                answer.read()
        except Exception:
            # Airflow's page for faults asks the database, too, and may fail as the route did.
            if not self._lost_database():
                raise
            answer = httpx.Response(500)
        if answer.status_code == 500 and self._lost_database():
            json_type = {"Content-Type": "application/json"}
            return httpx.Response(503, content=UNAVAILABLE, headers=json_type, request=request)
        return answer

    def _lost_database(self) -> bool:
        return is_database_fault(self._thread.environ.get(_FAILURE_KEY))

    def _call(self, environ: MutableMapping[str, Any], start_response: Any) -> Any:
        environ[_CALLER_KEY] = self._principal
        self._thread.environ = environ
        # WSGI has the bytes of a path as Latin-1; the transport gives its characters.
        environ["PATH_INFO"] = environ["PATH_INFO"].encode().decode("latin-1")
        return self._inner.app.wsgi_app(environ, start_response)
