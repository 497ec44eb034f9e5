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
"""Airflow 2: the endpoint as a Flask blueprint, and calls into the same app as the caller."""

from __future__ import annotations

import asyncio
import functools
import json
import logging
import select
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import flask

if TYPE_CHECKING:
    from airflow_provider_mcp.airflow_api import Airflow, Caller
    from airflow_provider_mcp.endpoint import Reply

log = logging.getLogger(__name__)

REDACTED_DEPTH = 200
"""How deep secrets are looked for: Airflow's masker stops at 5 by itself."""
LOOK_SECONDS = 1.0
"""How often, in seconds, a call looks whether its client is still there; a faster one never does."""
CLIENT_GONE = 499
"""The status, known from nginx, that the access log shows of a call whose client went away."""
_CALLER_KEY = "airflow_provider_mcp.caller"
"""Key of the WSGI environment. Headers of a client arrive as ``HTTP_...``: it cannot set this one."""


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


def _base_url() -> str:
    from airflow.configuration import conf

    return str(conf.get("webserver", "base_url", fallback="")).rstrip("/")


def _without_cookies(wsgi_app: Callable[..., Any], prefix: str) -> Callable[..., Any]:
    """Keep cookies from MCP requests, so that no session or remembered login authenticates one."""

    def call(environ: dict[str, Any], start_response: Any) -> Any:
        # With a path prefix, Airflow's dispatcher is inside this and has not yet moved the prefix.
        route = (environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")).removeprefix(prefix)
        if route == "/mcp" or route.startswith("/mcp/v1"):
            environ.pop("HTTP_COOKIE", None)
        return wsgi_app(environ, start_response)

    return call


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


class _Served:
    """What one process needs to serve.

    What is heavy is built with the app: in the process that gunicorn then forks into workers, if it does.
    """

    def __init__(self, app: Any) -> None:
        self.app = app
        self._building = threading.Lock()
        self._loops: deque[asyncio.AbstractEventLoop] = deque()
        self.document: bytes | None = None
        """The API's own OpenAPI document, the same for everyone, which Airflow 2 writes anew each time."""

    @functools.cached_property
    def version(self) -> str:
        from airflow import __version__

        return str(__version__)

    def build_early(self) -> None:
        """Build what serves before anyone asks for it."""
        try:
            _ = self.server
        except Exception:
            # Airflow must serve all the same. A request tries again, and fails by what is still wrong.
            log.exception("The MCP server could not be built")

    @property
    def server(self) -> Any:
        """The MCP server; threads that ask at once build it once."""
        with self._building:
            return self._server

    @functools.cached_property
    def _server(self) -> Any:
        from airflow.configuration import conf

        from airflow_provider_mcp.plugins import load_catalogue
        from airflow_provider_mcp.policy import Confirmations
        from airflow_provider_mcp.server import build_server

        secret = conf.get_mandatory_value("webserver", "secret_key").encode()
        return build_server(load_catalogue(self.version), Confirmations(secret))

    @functools.cached_property
    def policy_source(self) -> Any:
        from airflow_provider_mcp.hosts.connections import read_extra
        from airflow_provider_mcp.policy import PolicySource

        return PolicySource(functools.partial(_in_new_thread, read_extra))

    def answer(self) -> Reply:
        """Answer the current Flask request."""
        from airflow_provider_mcp import endpoint
        from airflow_provider_mcp.endpoint import Reply

        request = flask.request
        policy = self.policy_source.current()
        raw_headers = [(name.lower(), value) for name, value in request.headers.items()]
        headers = dict(raw_headers)
        own = endpoint.own_origins(_base_url(), request.scheme, request.host)
        refused = endpoint.refuse_at_the_door(request.method, headers, policy, own)
        if refused is not None:
            return refused
        identity = self.authenticate()
        if identity is None:
            return endpoint.unauthenticated()
        refused = endpoint.refuse_body(headers, policy)
        if refused is not None:
            return refused
        body = _read_body(request.environ, request.content_length, policy.max_request_bytes + 1)
        if len(body) > policy.max_request_bytes:
            return endpoint.too_large(policy)
        caller, load_user = identity
        script_name = request.environ.get("SCRIPT_NAME", "")
        base_url = _base_url()
        page_roots = (base_url, f"{request.scheme}://{request.host}{urlsplit(base_url).path}")
        visit = endpoint.Visit(
            caller=caller,
            policy=policy,
            open_airflow=lambda access: self.open_airflow(caller, load_user, script_name, access, page_roots),
        )
        loop = self._loops.pop() if self._loops else asyncio.new_event_loop()
        exchange = _Exchange(loop, self._loops.append, functools.partial(_is_gone, request.environ))
        reply = exchange.begin(endpoint.exchange(self.server, raw_headers, body, visit, exchange.emit))
        if reply is None:
            return Reply(200, headers=endpoint.STREAM_HEADERS, stream=exchange)
        return reply

    def authenticate(self) -> tuple[Caller, Callable[[], Any]] | None:
        """Return who sent the current request, by the configured backends, and how to load them again.

        ``check_authentication`` also passes who sent nothing, or a wrong password, as the public role: only
        a request with the header, whose sender is then logged in, is authenticated.
        """
        from airflow.api_connexion.exceptions import Unauthenticated
        from airflow.api_connexion.security import check_authentication
        from airflow.www.extensions.init_auth_manager import get_auth_manager

        from airflow_provider_mcp.airflow_api import Caller

        if not flask.request.headers.get("Authorization"):
            return None
        self._install_inward_authentication()
        try:
            check_authentication()
        except Unauthenticated:
            return None
        manager = get_auth_manager()
        if not manager.is_logged_in():
            return None
        user = manager.get_user()
        security = getattr(self.app.appbuilder, "sm", None)
        if hasattr(user, "_sa_instance_state") and security is not None:
            # An ORM user belongs to this thread's database session: other threads load their own.
            load_user = functools.partial(_load_user, security, user.id, getattr(user, "perms", None))
        else:
            load_user = functools.partial(_same, user)
        return Caller(str(manager.get_user_id()), str(manager.get_user_name())), load_user

    def _install_inward_authentication(self) -> None:
        backends = self.app.api_auth
        if not backends or backends[0] is not InwardAuthentication:
            self.app.api_auth = [InwardAuthentication, *backends]

    def open_airflow(
        self,
        caller: Caller,
        load_user: Callable[[], Any],
        script_name: str,
        access: Literal["read", "write"],
        page_roots: tuple[str, str],
    ) -> Airflow:
        """Return a client that calls this app, each call in a thread of its own, as the caller."""
        from airflow_provider_mcp.airflow_api import INNER_HOST, Airflow, Site
        from airflow_provider_mcp.hosts.airflow2_rest import page_url

        return Airflow(
            transport=_inward(self.app, load_user, script_name),
            base_url=f"http://{INNER_HOST}/api/v2/",
            site=Site(
                version=self.version,
                page_roots=page_roots,
                page_url=functools.partial(page_url, page_roots[0]),
                redact=redact,
                hides_option=hides_option,
                policy_conn_ids=frozenset({self.policy_source.conn_id}),
            ),
            caller=caller,
            access=access,
        )


class _Exchange:
    """An exchange on an event loop that runs while this thread has nothing else to do.

    The loop stands still between the events of a streamed answer, when the web server sends them.

    :param give_back: Takes the loop when the exchange is over.
    :param is_gone: Says whether the client has closed the connection, which stops the work.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        give_back: Callable[[asyncio.AbstractEventLoop], None],
        is_gone: Callable[[], bool],
    ) -> None:
        self._loop = loop
        self._give_back = give_back
        self._is_gone = is_gone
        self._events: deque[bytes] = deque()
        self._came = asyncio.Event()
        self._work: asyncio.Task[Reply | None]

    async def emit(self, data: bytes) -> None:
        """Take an event for the client."""
        self._events.append(data)
        self._came.set()

    def begin(self, exchange: Coroutine[Any, Any, Reply | None]) -> Reply | None:
        """Work until there is an answer, or an event: then None is returned, and iterating yields them."""
        self._work = self._loop.create_task(exchange)
        try:
            self._loop.run_until_complete(self._until_event())
        except BaseException:
            self.close()
            raise
        if self._events:
            return None
        self._give_back(self._loop)
        if self._work.cancelled():
            from airflow_provider_mcp.endpoint import Reply

            return Reply(CLIENT_GONE)
        return self._work.result()

    def __iter__(self) -> _Exchange:
        return self

    def __next__(self) -> bytes:
        while not self._events:
            if self._work.done():
                raise StopIteration
            self._loop.run_until_complete(self._until_event())
        return self._events.popleft()

    def close(self) -> None:
        """Stop the work, if it is not over: the web server has sent the answer, or lost the client."""
        self._work.cancel()
        with suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._work)
        self._give_back(self._loop)

    async def _until_event(self) -> None:
        if self._events:
            return
        self._came.clear()
        came = asyncio.ensure_future(self._came.wait())
        first = functools.partial(
            asyncio.wait, {came, self._work}, timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        while not (await first())[0]:
            if self._is_gone():
                self._work.cancel()
                await asyncio.wait({self._work})
                break
        came.cancel()


def _is_gone(environ: Mapping[str, Any]) -> bool:
    """Say whether the client has closed its side of the connection, where server and platform tell.

    The end of the connection shows at the socket that gunicorn and Werkzeug put in the WSGI environment, also
    under TLS and behind bytes that are not read yet, where ``recv`` would take them from the server.
    """
    connection = environ.get("gunicorn.socket") or environ.get("werkzeug.socket")
    if connection is None or not hasattr(select, "POLLRDHUP"):
        return False
    poll = select.poll()
    poll.register(connection, select.POLLRDHUP)
    return bool(poll.poll(0))


def _read_body(environ: Mapping[str, Any], length: int | None, most: int) -> bytes:
    """Read at most ``most`` bytes of the request's body.

    From the server's own stream: Flask's is limited by ``[webserver] allowed_payload_size``, which is a
    float, and Werkzeug then asks gunicorn for a fraction of a byte.
    """
    if length is None and not environ.get("wsgi.input_terminated"):
        return b""
    body: bytes = environ["wsgi.input"].read(most if length is None else min(length, most))
    return body


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


def _in_new_thread(function: Callable[..., Any], *args: Any) -> Any:
    """Run where no database session, request or login of this thread can be touched."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as executor:
        return executor.submit(function, *args).result()


def _inward(app: Any, load_user: Callable[[], Any], script_name: str) -> Any:
    """Return a transport that speaks Airflow 3's REST and calls ``app``'s."""
    import anyio.to_thread
    import httpx

    from airflow_provider_mcp.airflow_api import INNER_HOST, NATIVE
    from airflow_provider_mcp.errors import ToolError
    from airflow_provider_mcp.hosts.airflow2_rest import UnsupportedOnAirflow2, V1Request, held_by, serve_v2

    def call(environ: dict[str, Any], start_response: Any) -> Any:
        environ[_CALLER_KEY] = load_user
        # WSGI has the bytes of a path as Latin-1; the transport gives its characters.
        environ["PATH_INFO"] = environ["PATH_INFO"].encode().decode("latin-1")
        return app.wsgi_app(environ, start_response)

    # `app.wsgi_app` is the outermost app, Airflow's dispatcher included: the path carries the prefix.
    wsgi = httpx.WSGITransport(call, raise_app_exceptions=False)

    def send(request: V1Request) -> tuple[httpx.Response, Any]:
        """Send one v1 request; return the answer and what it holds (JSON or text)."""
        url = httpx.URL(
            f"http://{INNER_HOST}{script_name}/api/v1/{request.path}",
            params=httpx.QueryParams(tuple(request.query)),
        )
        content = b"" if request.body is None else json.dumps(request.body).encode()
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        if request.body is not None:
            headers["Content-Type"] = "application/json"
        inner = httpx.Request(request.method, url, headers=headers, content=content)
        # Without a context of its own, the call would have the login of the request that is being served.
        with app.app_context():
            answer = wsgi.handle_request(inner)
            answer.request = inner
            answer.read()
        return answer, held_by(answer)

    def run(outer: httpx.Request) -> httpx.Response:
        served: _Served = app.extensions["airflow_provider_mcp"]
        document = outer.extensions.get(NATIVE) and outer.url.path == "/api/v2/openapi.json"
        if document and served.document is not None:
            return httpx.Response(200, content=served.document, headers={"Content-Type": "application/json"})
        steps = serve_v2(outer, "/api/v2/")
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
            try:
                # A thread of its own: in this one, the call would use the outer call's database session.
                return await anyio.to_thread.run_sync(run_and_release, request)
            except UnsupportedOnAirflow2 as missing:
                raise ToolError("unsupported", str(missing)) from None

    return Inward()


def redact(value: Any, name: str | None = None) -> Any:
    """Return JSON-ready data with its secrets masked by Airflow's own masker."""
    from airflow.utils.log.secrets_masker import redact as mask

    return mask(value, name, max_depth=REDACTED_DEPTH)


def hides_option(section: str, option: str) -> bool:
    """Say whether Airflow calls an option of its configuration sensitive."""
    from airflow.configuration import conf

    section, option = section.lower(), option.lower()
    # Options of a secrets backend may be set one by one, under names of their own.
    return (section, option) in conf.sensitive_config_values or "backend_kwarg__" in option
