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
"""Where an Airflow elsewhere is, and by which credential it is reached."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from airflow_provider_mcp.connection_fields import HOOK_KEYS, POLICY_KEYS

TIMEOUT_SECONDS = 30.0

NO_CREDENTIAL = "no credential"

ROUTES = ("/mcp/v1", "/api/v2", "/api/v1")
"""What people copy together with Airflow's address."""


@dataclass(frozen=True)
class Target:
    """Where an Airflow is and how to authenticate there.

    :param name: What errors and answers call it.
    :param url: Its root, path prefix included, without a slash at the end.
    :param token_command: A command that prints a bearer token.
    :param verify: Whether to verify the TLS certificate, or the CA bundle to verify it with.
    :param timeout: Seconds to wait for one answer.
    """

    name: str
    url: str
    login: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    token_command: tuple[str, ...] = field(default=(), repr=False)
    verify: bool | str = True
    timeout: float = TIMEOUT_SECONDS

    @property
    def way(self) -> str:
        """How it authenticates, in plain words."""
        if self.token_command:
            return "the token that a command prints"
        if self.token:
            return "a bearer token"
        if self.login:
            return f"the username {self.login} and a password"
        return NO_CREDENTIAL


def build_target(
    name: str,
    *,
    host: str | None,
    port: int | None = None,
    schema: str | None = None,
    login: str | None = None,
    password: str | None = None,
    extra: Mapping[str, object] | None = None,
) -> Target:
    """Return the target that the parts of an Airflow connection stand for.

    ``host`` is an address (``https://airflow.example.com/prefix``) or a bare host name, which is reached by
    TLS unless it is this machine or ``schema`` says ``http``. Another ``schema`` is the path prefix, as
    Airflow reads it from a connection URI. A password without a login is a bearer token.

    :raises ValueError: The connection has no host, or an unusable part.
    """
    extra = {key: value for key, value in (extra or {}).items() if value is not None and value != ""}
    unknown = sorted(set(extra) - HOOK_KEYS - set(POLICY_KEYS))
    if unknown:
        raise ValueError(f"{name} has unknown options {', '.join(unknown)} in its extra")
    login, password = login or "", password or ""
    token = extra.get("token", "")
    if not isinstance(token, str):
        raise ValueError(f"the token of {name} is not text")
    if password and not login and not token:
        token = password
    token = token.strip()
    if len(token.split()) > 1:
        raise ValueError(
            f"the token of {name} has a space in it: give the token alone, without 'Bearer ' before it"
        )
    return Target(
        name=name,
        url=_build_url(name, host or "", port, schema or ""),
        login=login,
        password=password,
        token=token,
        verify=_read_verify(name, extra),
        timeout=_read_seconds(name, extra.get("timeout", TIMEOUT_SECONDS)),
    )


def _build_url(name: str, host: str, port: int | None, schema: str) -> str:
    if not host:
        raise ValueError(f"{name} has no host: give the address of an Airflow")
    names_scheme = schema.lower() in {"http", "https"}
    if "://" not in host:
        bare = host.split("/", 1)[0].rsplit(":", 1)[0]
        by_default = "http" if is_loopback(bare) else "https"
        host = f"{schema.lower() if names_scheme else by_default}://{host}"
    parts = urlsplit(host)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"the host of {name} is no http or https address")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError(
            f"the host of {name} holds more than an address: credentials have fields of their own"
        )
    where = parts.netloc if port is None or parts.port else f"{parts.netloc}:{port}"
    prefix = _strip_route(parts.path.rstrip("/"))
    if schema and not names_scheme:
        prefix += "/" + schema.strip("/")
    return f"{parts.scheme}://{where}{prefix}"


def _strip_route(path: str) -> str:
    """Return Airflow's path prefix from a path that may go on to the endpoint or the REST API."""
    for route in ROUTES:
        if path.endswith(route):
            return path.removesuffix(route)
    return path


def is_loopback(host: str) -> bool:
    """Say whether a host name or address is this machine's own, which no other machine can reach."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _read_verify(name: str, extra: Mapping[str, object]) -> bool | str:
    verify = extra.get("verify", True)
    if isinstance(verify, str) and verify.lower() in {"true", "false"}:
        verify = verify.lower() == "true"
    insecure = extra.get("insecure", False)
    if isinstance(insecure, str):
        if insecure.lower() not in {"true", "false"}:
            raise ValueError(f"insecure of {name} is neither true nor false")
        insecure = insecure.lower() == "true"
    if not isinstance(verify, (bool, str)) or not isinstance(insecure, bool):
        raise ValueError(
            f"{name}: insecure is true or false, verify is true, false or the path of a CA bundle"
        )
    if insecure or verify is False:
        return False
    bundle = extra.get("ca_bundle", verify)
    if not isinstance(bundle, (bool, str)):
        raise ValueError(f"the ca_bundle of {name} is no path")
    return bundle


def _read_seconds(name: str, value: object) -> float:
    try:
        seconds = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        seconds = 0.0
    if not 0 < seconds <= 3600:
        raise ValueError(f"the timeout of {name} is no number of seconds")
    return seconds
