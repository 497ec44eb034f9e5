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
"""``airflow-mcp serve``: the server as a process of its own."""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

from airflow_provider_mcp.cli.arguments import OK, Misuse, _instances, _log_to_standard_error, _remark


def serve(given: Any) -> int:
    """Serve MCP until the client, or the user, ends it."""
    from functools import partial

    import anyio

    if given.transport == "http":
        bearer = _bearer_token(given)
    standard_output = sys.stdout
    if given.transport == "stdio":
        # It carries nothing but the protocol, whatever Airflow's logging is told.
        sys.stdout = sys.stderr
    _log_to_standard_error(logging.WARNING)
    from airflow_provider_mcp.remote.gateway import Fleet
    from airflow_provider_mcp.remote.serve import serve_http, serve_stdio

    instances = _instances(given, narrow=True)
    fleet = Fleet(instances)
    if given.transport == "stdio":
        anyio.run(serve_stdio, fleet, standard_output)
        return OK
    _remark(f"Serving {', '.join(fleet.instances)} at http://{given.host}:{given.port}/mcp/v1")
    origins = frozenset(given.allowed_origin or ())
    anyio.run(partial(serve_http, fleet, given.host, given.port, bearer, origins))
    return OK


def _bearer_token(given: Any) -> str | None:
    """Return what a request must carry.

    :raises Misuse: Others could reach the server, and nothing would keep them out.
    """
    from airflow_provider_mcp.remote.target import is_loopback

    token = ""
    if given.bearer_token_env:
        token = os.environ.get(given.bearer_token_env, "")
        if not token:
            raise Misuse(f"the environment variable {given.bearer_token_env} is empty")
    elif given.bearer_token_file:
        try:
            with open(given.bearer_token_file, encoding="utf-8") as file:
                token = file.read().strip()
        except OSError as unreadable:
            raise Misuse(f"the bearer token file cannot be read: {unreadable.strerror}") from None
        if not token:
            raise Misuse("the bearer token file is empty")
    if not token and not is_loopback(given.host):
        raise Misuse(
            f"{given.host} can be reached from other machines, and whoever reaches it acts with this "
            "server's credential: give --bearer-token-env or --bearer-token-file, or bind to 127.0.0.1"
        )
    return token or None
