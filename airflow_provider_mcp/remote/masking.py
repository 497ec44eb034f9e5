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
"""Mask secrets by the names of what holds them, where Airflow's own masker is not to be had.

Airflow 2's REST API tells values that its pages mask, and a process beside Airflow has no Airflow to ask.
"""

from __future__ import annotations

from typing import Any

SENSITIVE_NAMES = (
    "access_key",
    "access_token",
    "api_key",
    "apikey",
    "auth_header",
    "authorization",
    "bearer",
    "connection_string",
    "dsn",
    "keyfile_dict",
    "passphrase",
    "passwd",
    "password",
    "private_key",
    "proxies",
    "proxy",
    "proxy_password",
    "secret",
    "service_account",
    "service_key",
    "token",
    "webhook_url",
)
"""What Airflow's masker looks for in a name, unless ``[core] sensitive_var_conn_names`` adds to it
(``DEFAULT_SENSITIVE_FIELDS`` of Airflow 3.3)."""


def mask(value: Any, name: str | None = None) -> Any:
    """Return JSON-ready data in which what a sensitive name holds is ``***``."""
    if name is not None and any(word in name.strip().lower() for word in SENSITIVE_NAMES):
        return _hidden(value)
    if isinstance(value, dict):
        return {key: mask(held, str(key)) for key, held in value.items()}
    if isinstance(value, list):
        return [mask(held, name) for held in value]
    return value


def _hidden(value: Any) -> Any:
    """Hide text and numbers, but leave the shape."""
    if isinstance(value, dict):
        return {key: _hidden(held) for key, held in value.items()}
    if isinstance(value, list):
        return [_hidden(held) for held in value]
    return value if value is None or isinstance(value, bool) else "***"
