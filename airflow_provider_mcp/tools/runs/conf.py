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
"""A conf, checked against the params of its Dag as Airflow does it when the run starts."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from jsonschema import Draft202012Validator, FormatChecker

from airflow_provider_mcp.sdk import JSON, InvalidArgument, JSONObject

if TYPE_CHECKING:
    from jsonschema import ValidationError


def check_conf(dag_id: str, params: JSONObject, conf: JSONObject) -> str | None:
    """Check a conf against the Dag's params.

    :return: What the caller should know of a conf that is right.
    :raises ToolError: ``invalid_argument`` that names each param at fault.
    """
    faults = []
    for name, param in params.items():
        schema = param.get("schema") or {}
        value = conf.get(name, param.get("value"))
        if name not in conf and value is None and not schema:
            continue
        checker = Draft202012Validator(schema, format_checker=FormatChecker())
        fault = next((f for f in checker.iter_errors(value) if not _is_old_date(f, value)), None)
        if fault is not None:
            faults.append(f"{name}: {'is required' if name not in conf else fault.message}")
    if faults:
        raise InvalidArgument(
            f"The conf does not fit the params of `{dag_id}`: {'; '.join(faults)}. No run was started.",
            hint="get_dag shows the params.",
            dag_id=dag_id,
        )
    unknown = [name for name in conf if name not in params]
    if params and unknown:
        return (
            f"`{dag_id}` has no param {', '.join(f'`{name}`' for name in unknown)}; the conf has it anyway."
        )
    return None


def _is_old_date(fault: ValidationError, value: JSON) -> bool:
    """Say whether the fault is a date that Airflow 2 still takes though it does not fit RFC 3339."""
    if fault.validator != "format" or fault.validator_value != "date-time" or not isinstance(value, str):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True
