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
"""A connection of the type ``airflow_mcp``: the REST API of an Airflow, authenticated."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

try:
    from airflow.sdk import BaseHook
except ImportError:
    from airflow.hooks.base import BaseHook

from airflow_provider_mcp.connection_fields import CONN_TYPE, FIELDS, HIDDEN, PLACEHOLDERS, RELABELLED, Field

if TYPE_CHECKING:
    import httpx

    from airflow_provider_mcp.remote.target import Target
    from airflow_provider_mcp.sdk.airflow import Airflow


class AirflowMCPHook(BaseHook):  # type: ignore[misc]
    """Reaches the Airflow that a connection names.

    :param mcp_conn_id: An ``airflow_mcp`` connection. One with neither host nor credentials stands for the
        Airflow that serves MCP, which is reached while it serves a call, as that call's caller.
    """

    conn_name_attr = "mcp_conn_id"
    default_conn_name = "mcp_default"
    conn_type = CONN_TYPE
    hook_name = "Airflow MCP"

    def __init__(self, mcp_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.mcp_conn_id = mcp_conn_id
        self._version: str | None = None

    @staticmethod
    def get_connection_form_widgets() -> dict[str, Any]:
        """Return the form's fields for Airflow before 3.2.2; later ones read provider metadata."""
        from flask_appbuilder.fieldwidgets import BS3PasswordFieldWidget, BS3TextFieldWidget
        from wtforms import BooleanField, IntegerField, PasswordField, StringField
        from wtforms.validators import Optional, any_of

        def widget(field: Field) -> Any:
            label, description = field.label, field.help
            if field.kind == "boolean":
                return BooleanField(label, default=False, description=description)
            if field.kind == "password":
                return PasswordField(label, description=description, widget=BS3PasswordFieldWidget())
            kind = IntegerField if field.kind == "integer" else StringField
            validators = [Optional()]
            if field.choices:
                validators.append(any_of(list(field.choices)))
            if field.owner == "policy":
                validators.append(_refuse_malformed(field.name))
            return kind(label, validators=validators, description=description, widget=BS3TextFieldWidget())

        return {field.name: widget(field) for field in FIELDS}

    @staticmethod
    def get_ui_field_behaviour() -> dict[str, Any]:
        """Return the form's labels for Airflow before 3.2.2; later ones read provider metadata."""
        return {
            "hidden_fields": list(HIDDEN),
            "relabeling": dict(RELABELLED),
            "placeholders": dict(PLACEHOLDERS),
        }

    @property
    def target(self) -> Target:
        """Where the connection leads.

        :raises ValueError: The connection has no host, or an unusable part.
        """
        from airflow_provider_mcp.hosts.connections import parse_extra
        from airflow_provider_mcp.remote.target import build_target

        connection = self.get_connection(self.mcp_conn_id)
        if not connection.host:
            raise ValueError(
                f"The connection {self.mcp_conn_id} has no host, so it stands for the Airflow that serves "
                "MCP, which only a tool reaches, while it serves a call. Give the connection a host to use "
                "it here."
            )
        return build_target(
            self.mcp_conn_id,
            host=connection.host,
            port=connection.port,
            schema=connection.schema,
            login=connection.login,
            password=connection.password,
            extra=parse_extra(connection),
        )

    def get_conn(self) -> httpx.Client:
        """Return a client of that Airflow's REST API, ``api/v2`` on Airflow 3 and ``api/v1`` on Airflow 2.

        Paths are relative: ``client.get("dags")``. Tokens are renewed before they expire and once when they
        are refused; a GET that did not get through is repeated, nothing else is sent twice.

        While an MCP call is served, a connection with neither host nor credentials gives the client that a
        plain ``def`` tool takes as ``airflow: AirflowSync``: the Airflow that the call is for, as its caller,
        in Airflow 3's terms, where an answer of 400 or above raises ``ToolError``.

        :raises ValueError: The connection has an unusable part, or no host where no MCP call is served.
        :raises ConnectionError: No Airflow answers there.
        """
        airflow = self._current_airflow()
        if airflow is not None:
            return airflow.for_thread()
        from airflow_provider_mcp.remote import http
        from airflow_provider_mcp.remote.auth import build_auth
        from airflow_provider_mcp.remote.version import parse_major

        target = self.target
        major = parse_major(self._ask_version(target))
        return http.RemoteClient(
            base_url=f"{target.url}/api/v{1 if major == 2 else 2}/",
            auth=build_auth(target, major),
            **http.build_client_options(target),
        )

    def _current_airflow(self) -> Airflow | None:
        """Return the client of the MCP call that is served, if that is what the connection stands for.

        :raises ValueError: It does, but this is not a worker thread of the call.
        """
        from airflow_provider_mcp.hosts.connections import parse_extra
        from airflow_provider_mcp.sdk.airflow import current_airflow

        airflow = current_airflow()
        if airflow is None:
            return None
        connection = self.get_connection(self.mcp_conn_id)
        if connection.host:
            return None
        if connection.login or connection.password or parse_extra(connection).get("token"):
            raise ValueError(
                f"The connection {self.mcp_conn_id} has credentials but no host: give it the host that they "
                "are for, or take them out to reach the Airflow that serves this call, as its caller."
            )
        import anyio.from_thread

        try:
            anyio.from_thread.check_cancelled()
        except RuntimeError:
            raise ValueError(
                f"The connection {self.mcp_conn_id} has no host, so it stands for the Airflow that serves "
                "this call, and its client waits for answers: use it in a plain `def` tool, or by "
                "anyio.to_thread.run_sync; an async tool takes `airflow: Airflow` in its place."
            ) from None
        return airflow

    def get_airflow_version(self) -> str:
        """Return the version of that Airflow.

        :raises ValueError: As for :meth:`get_conn`.
        :raises ConnectionError: No Airflow answers there.
        """
        airflow = self._current_airflow()
        if airflow is not None:
            return airflow.site.version
        return self._ask_version(self.target)

    def _ask_version(self, target: Target) -> str:
        import httpx

        from airflow_provider_mcp.remote import http
        from airflow_provider_mcp.remote.auth import build_proxy_auth
        from airflow_provider_mcp.remote.errors import build_failure_error
        from airflow_provider_mcp.remote.version import ask_version
        from airflow_provider_mcp.sdk.errors import ToolError

        if self._version is not None:
            return self._version
        steps = ask_version(target)
        with http.RemoteClient(auth=build_proxy_auth(target), **http.build_client_options(target)) as client:
            url = next(steps)
            while self._version is None:
                request = client.build_request("GET", url)
                try:
                    url = steps.send(client.send(request))
                except httpx.HTTPError as failure:
                    raise ConnectionError(build_failure_error(target, request, failure).as_text()) from None
                except ToolError as wrong:
                    raise ConnectionError(wrong.as_text()) from None
                except StopIteration as found:
                    self._version = str(found.value)
        return self._version

    def test_connection(self) -> tuple[bool, str]:
        """Say whether that Airflow answers and accepts the credential."""
        import httpx

        from airflow_provider_mcp.remote.auth import refuses_credential
        from airflow_provider_mcp.remote.errors import build_failure_error
        from airflow_provider_mcp.sdk.errors import ToolError

        try:
            airflow = self._current_airflow()
            if airflow is not None:
                airflow.for_thread().get("dags", params={"limit": 1})
                return True, f"The Airflow that serves this call lets {airflow.caller.name} list Dags."
            target = self.target
            with self.get_conn() as client:
                answer = client.get("dags", params={"limit": 1})
        except (ValueError, ConnectionError, ToolError) as failure:
            return False, str(failure)
        except httpx.RequestError as failure:
            return False, build_failure_error(target, failure.request, failure).as_text()
        if answer.status_code == 200:
            return True, f"Airflow {self._version} at {target.url} accepts {target.way}."
        if refuses_credential(answer):
            return False, f"Airflow {self._version} at {target.url} does not accept {target.way}."
        if answer.status_code == 403:
            # Airflow 2 takes whoever gives a wrong password for the public role, which may do nothing.
            return False, (
                f"Airflow {self._version} at {target.url} does not let {target.way} list Dags: "
                "the credential is wrong, or its user may not."
            )
        return (
            False,
            f"Airflow {self._version} at {target.url} failed to list Dags (HTTP {answer.status_code}).",
        )


def _refuse_malformed(name: str) -> Callable[[Any, Any], None]:
    """Return a validator of the connection form: what the policy cannot understand is not saved."""

    def check(_: Any, field: Any) -> None:
        from wtforms.validators import ValidationError

        from airflow_provider_mcp.server.policy import check_option

        problem = check_option(name, field.data)
        if problem is not None:
            raise ValidationError(problem)

    return check
