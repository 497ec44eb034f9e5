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
"""What the extra of an ``airflow_mcp`` connection may hold: its fields, and whom each one belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

CONN_TYPE = "airflow_mcp"


@dataclass(frozen=True)
class Field:
    """One key of the extra, as the connection form of Airflow's UI shows it.

    :param owner: ``hook`` for how another Airflow is reached, ``policy`` for what the MCP server may offer.
    """

    name: str
    owner: Literal["hook", "policy"]
    kind: Literal["string", "password", "integer", "boolean"]
    label: str
    help: str
    choices: tuple[str, ...] = ()
    least: int | None = None
    """The smallest number that is taken."""


FIELDS = (
    Field("token", "hook", "password", "Bearer token", "In place of a username and password."),
    Field("insecure", "hook", "boolean", "Skip TLS verification", "Accept any certificate. For tests only."),
    Field("ca_bundle", "hook", "string", "CA bundle", "A PEM file to verify the certificate with."),
    Field("timeout", "hook", "integer", "Timeout", "Seconds to wait for one answer; 30 if empty."),
    Field("read_only", "policy", "boolean", "Read only", "MCP: offer only tools that read."),
    Field(
        "toolsets", "policy", "string", "Toolsets", "MCP: comma-separated toolsets to offer; empty for all."
    ),
    Field("disabled_tools", "policy", "string", "Disabled tools", "MCP: comma-separated names of tools."),
    Field(
        "confirm",
        "policy",
        "string",
        "Confirm",
        "MCP: destructive, or write to confirm every change.",
        choices=("none", "destructive", "write"),
    ),
    Field(
        "confirm_by",
        "policy",
        "string",
        "Confirm by",
        "MCP: person, to confirm on Airflow's own page alone.",
        choices=("any", "person"),
    ),
    Field("calls_per_minute", "policy", "integer", "Calls a minute", "MCP: most calls of one user.", least=0),
    Field(
        "writes_per_minute", "policy", "integer", "Writes a minute", "MCP: most changes of one user.", least=0
    ),
    Field(
        "untrusted_text",
        "policy",
        "string",
        "Untrusted text",
        "MCP: fence or lockdown, for text of Dags and logs.",
        choices=("off", "fence", "lockdown"),
    ),
    Field(
        "max_result_chars",
        "policy",
        "integer",
        "Result size",
        "MCP: most characters of one result.",
        least=1,
    ),
)

HOOK_KEYS = frozenset(field.name for field in FIELDS if field.owner == "hook") | {"verify"}
"""``verify`` is understood too, as the HTTP hook understands it: false, or the path of a CA bundle."""
POLICY_KEYS = tuple(field.name for field in FIELDS if field.owner == "policy")

HIDDEN = ("schema", "port")
RELABELLED = {"host": "Airflow URL", "login": "Username"}
PLACEHOLDERS = {
    "host": "https://airflow.example.com/prefix (empty: the Airflow that serves MCP)",
    "login": "empty with a bearer token",
    "toolsets": "dags,runs,tasks,diagnostics",
    "confirm": "destructive",
    "untrusted_text": "fence",
    "timeout": "30",
}
