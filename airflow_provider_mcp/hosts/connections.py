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
"""Airflow's connections, as a web process or a command of the ``airflow`` machine reads them."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

from airflow_provider_mcp.server.policy_source import ConnectionUnreadable

log = logging.getLogger(__name__)


def find_connection(conn_id: str) -> Any | None:
    """Return a connection from the first secrets backend that has it; None if there is none.

    ``BaseHook.get_connection`` of Airflow 3 looks into the metadata database only in some processes, and
    takes a backend that fails for one that has no such connection.

    :raises ConnectionUnreadable: None of the backends has it, and one of them failed.
    """
    from airflow.configuration import ensure_secrets_loaded

    failed = None
    for backend in ensure_secrets_loaded():
        # Whatever a stranger's backend raises, the others may know the connection.
        try:
            connection = backend.get_connection(conn_id=conn_id)
        except PermissionError as denied:
            # Airflow 3.3: a backend's denial is the last word; no other backend may be asked.
            raise ConnectionUnreadable(f"access to the connection {conn_id} is denied") from denied
        except Exception as failure:
            log.warning("MCP: %s cannot be read: %s", type(backend).__name__, type(failure).__name__)
            failed = failure
            continue
        if connection is not None:
            return connection
    if failed is not None:
        raise ConnectionUnreadable(f"the connection {conn_id} could not be read: {type(failed).__name__}")
    return None


def parse_extra(connection: Any) -> dict[str, Any]:
    """Return a connection's extra.

    :raises ValueError: The extra is no JSON object.
    """
    if not connection.extra:
        return {}
    try:
        extra = json.loads(connection.extra)
    except ValueError:
        # The decoder's own message may quote the extra, which may hold secrets.
        raise ValueError("the extra is not JSON") from None
    if not isinstance(extra, dict):
        raise ValueError("the extra is not a JSON object")
    return extra


def read_extra(conn_id: str) -> Mapping[str, Any] | None:
    """Return a connection's extra; None if there is no such connection.

    :raises ValueError: The extra is no JSON object.
    :raises ConnectionUnreadable: Airflow could not read its connections.
    """
    connection = find_connection(conn_id)
    return None if connection is None else parse_extra(connection)
