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
"""The params of a Dag as the arguments of a tool."""

from __future__ import annotations

import json
import re

from airflow_provider_mcp.sdk import JSON, Airflow, JSONObject, plain_schema

MOST_BYTES = 8192
"""How large the schema of one tool may be: a model pays for it with every request."""

MOST_TEXT = 200
"""Characters of a param's description, or of its default as JSON."""

RESULT_TASK = "mcp_result_task"
"""Where a Dag names the task whose return value is the result: in the schema of a param, or as a param."""

KEY = "idempotency_key"

WAIT = "wait_seconds"

MOST_WAIT = 45

OWN_ARGUMENTS: JSONObject = {
    KEY: {"type": "string", "description": "Same key, same run."},
    WAIT: {"type": "integer", "maximum": MOST_WAIT},
}
"""What each of the tools takes beside the params of its Dag: they are paid for with each Dag."""

_ARGUMENT = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class Unusable(ValueError):  # noqa: N818 - a sentence about a Dag, not a fault of ours
    """A Dag cannot be offered as a tool; the message says why."""


def build_schema(airflow: Airflow, params: JSONObject) -> JSONObject:
    """Return the input schema of the tool of a Dag with these params.

    :raises Unusable: No client could use it.
    """
    arguments = {name: param for name, param in params.items() if name != RESULT_TASK}
    for name in arguments:
        if name in OWN_ARGUMENTS:
            raise Unusable(f"its param {name} has the name of an argument that each tool has: rename it")
        if not _ARGUMENT.fullmatch(name):
            raise Unusable(
                f"its param {name!r} has a name that clients refuse: letters, digits, _, . and -, at most 64"
            )
    properties = {name: _describe(airflow, name, param) for name, param in arguments.items()}
    schema: JSONObject = {"type": "object", "properties": {**properties, **OWN_ARGUMENTS}}
    required = [name for name, param in arguments.items() if _is_required(param)]
    if required:
        schema["required"] = required
    schema["additionalProperties"] = False
    try:
        size = len(json.dumps(schema, allow_nan=False))
    except ValueError:
        raise Unusable("a param has a default that is no JSON: NaN or infinity") from None
    if size > MOST_BYTES:
        raise Unusable(f"its params are a schema of {size:,} bytes, more than {MOST_BYTES:,}: shorten them")
    return schema


def find_result_task(params: JSONObject) -> str | None:
    """Return the ID of the task that the Dag names as the one whose return value is the result."""
    candidates = [(params.get(RESULT_TASK) or {}).get("value")]
    candidates += [(param.get("schema") or {}).get(RESULT_TASK) for param in params.values()]
    return next((task_id for task_id in candidates if isinstance(task_id, str) and task_id), None)


def _describe(airflow: Airflow, name: str, param: JSONObject) -> JSONObject:
    """Return one param as an argument."""
    schema, value = param.get("schema") or {}, param.get("value")
    described = plain_schema({key: inner for key, inner in schema.items() if key != "description"}, value)
    text = next(
        (
            text
            for text in (
                param.get("description"),
                *(schema.get(key) for key in ("description", "description_md", "title")),
            )
            if isinstance(text, str) and text.strip()
        ),
        None,
    )
    if text is not None:
        described["description"] = str(airflow.redact(shorten(text, MOST_TEXT)))
    # A secret is no default to show: Airflow fills it in by itself.
    if value is not None and airflow.redact(value, name) == value and len(json.dumps(value)) <= MOST_TEXT:
        described["default"] = value
    return described


def shorten(text: str, most: int) -> str:
    """Return a text in one line of at most so many characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"


def _is_required(param: JSONObject) -> bool:
    """Say whether a run needs a value for a param: it has no default, and null does not fit it."""
    schema: JSON = param.get("schema") or {}
    if param.get("value") is not None or not schema:
        return False
    from jsonschema import Draft202012Validator

    return not Draft202012Validator(schema).is_valid(None)
