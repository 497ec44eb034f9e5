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
"""Secrets in what tools return: masked as Airflow masks them, and where its REST API leaves them in."""

from __future__ import annotations

import json
import re
from typing import Any

from airflow_provider_mcp.sdk import Airflow

MASK = "***"

_PROBE = "airflow-provider-mcp-probe"

_ADDRESS = re.compile(r"(://[^\s:/@]{0,200}:)[^\s\"'<>]{0,500}@")
"""The password of an address: up to the last ``@``, since some drivers let it hold anything.

The bounds keep the time of a search linear in the text.
"""

_SETTING = re.compile(r"(?<![\w.-])([\w.-]+)=([^&;,\s\"']+)")
"""``name=value``, as in the query of an address or in a DSN."""


def is_secret_name(airflow: Airflow, name: str) -> bool:
    """Say whether Airflow hides what is held under this name."""
    return bool(airflow.redact(_PROBE, name) != _PROBE)


def mask_text(airflow: Airflow, text: str) -> str:
    """Return a text without the passwords in its addresses and settings; JSON is masked by its keys."""
    if text.lstrip()[:1] in {"{", "["}:
        try:
            held = json.loads(text)
        except ValueError:
            pass
        else:
            masked = mask_secrets(airflow, held)
            return text if masked == held else json.dumps(masked)
    text = _ADDRESS.sub(rf"\1{MASK}@", str(airflow.redact(text)))
    return _SETTING.sub(
        lambda found: f"{found[1]}={MASK}" if is_secret_name(airflow, found[1]) else found[0], text
    )


def mask_secrets(airflow: Airflow, value: Any, name: str | None = None) -> Any:
    """Return JSON-ready data with what its names call secret masked, at any depth.

    Airflow's masker leaves numbers under such names and passwords inside addresses; here they go too.

    :param name: The name that the value is held under.
    """
    return _mask(airflow, value, name is not None and is_secret_name(airflow, name))


def _mask(airflow: Airflow, value: Any, hidden: bool) -> Any:
    if isinstance(value, dict):
        # A variable or an option is told as its key beside its value.
        named = isinstance(value.get("key"), str) and is_secret_name(airflow, value["key"])
        return {
            key: _mask(
                airflow,
                held,
                hidden or is_secret_name(airflow, str(key)) or (named and key in {"value", "val"}),
            )
            for key, held in value.items()
        }
    if isinstance(value, list):
        return [_mask(airflow, held, hidden) for held in value]
    if value is None or isinstance(value, bool):
        return value
    if hidden:
        return MASK
    return mask_text(airflow, value) if isinstance(value, str) else value


def mask_json(airflow: Airflow, text: str | None) -> Any:
    """Return what a JSON text holds, masked; what is no JSON object cannot be told apart and is hidden."""
    if not text:
        return None
    try:
        held = json.loads(text)
    except ValueError:
        return MASK
    return mask_secrets(airflow, held) if isinstance(held, dict) else MASK


def holds_mask(value: Any) -> bool:
    """Say whether a value that is to be stored holds the mask of a secret where the secret should be."""
    if isinstance(value, dict):
        return any(holds_mask(held) for held in value.values())
    if isinstance(value, list):
        return any(holds_mask(held) for held in value)
    if not isinstance(value, str):
        return False
    if value.lstrip()[:1] in {"{", "["}:
        try:
            return holds_mask(json.loads(value))
        except ValueError:
            pass
    return value.strip().strip('"') == MASK or f":{MASK}@" in value
