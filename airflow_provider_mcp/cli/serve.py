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

import argparse
import logging
import os
import sys

from airflow_provider_mcp.cli.arguments import OK, Misuse
from airflow_provider_mcp.cli.instances import build_instances
from airflow_provider_mcp.cli.output import log_to_standard_error, remark


def serve(arguments: argparse.Namespace) -> int:
    """Serve MCP until the client, or the user, ends it."""
    from functools import partial

    import anyio

    if arguments.transport == "http":
        bearer = read_bearer_token(arguments)
    standard_output = sys.stdout
    if arguments.transport == "stdio":
        # It carries nothing but the protocol, whatever Airflow's logging is told.
        sys.stdout = sys.stderr
    log_to_standard_error(logging.WARNING)
    from airflow_provider_mcp.remote.build import build_gateway
    from airflow_provider_mcp.remote.serve import serve_http, serve_stdio

    gateway = build_gateway(build_instances(arguments, narrow=True))
    if arguments.transport == "stdio":
        anyio.run(serve_stdio, gateway, standard_output)
        return OK
    remark(f"Serving {', '.join(gateway.instances)} at http://{arguments.host}:{arguments.port}/mcp/v1")
    origins = frozenset(arguments.allowed_origin or ())
    anyio.run(partial(serve_http, gateway, arguments.host, arguments.port, bearer, origins))
    return OK


def read_bearer_token(arguments: argparse.Namespace) -> str | None:
    """Return what a request must carry.

    :raises Misuse: Others could reach the server, and nothing would keep them out.
    """
    from airflow_provider_mcp.remote.target import is_loopback

    token = ""
    if arguments.bearer_token_env:
        token = os.environ.get(arguments.bearer_token_env, "")
        if not token:
            raise Misuse(f"the environment variable {arguments.bearer_token_env} is empty")
    elif arguments.bearer_token_file:
        try:
            with open(arguments.bearer_token_file, encoding="utf-8") as file:
                token = file.read().strip()
        except OSError as unreadable:
            raise Misuse(f"the bearer token file cannot be read: {unreadable.strerror}") from None
        if not token:
            raise Misuse("the bearer token file is empty")
    if not token and not is_loopback(arguments.host):
        raise Misuse(
            f"{arguments.host} can be reached from other machines, and whoever reaches it acts with this "
            "server's credential: give --bearer-token-env or --bearer-token-file, or bind to 127.0.0.1"
        )
    return token or None
