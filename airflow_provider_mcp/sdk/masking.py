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
"""Secrets in JSON-ready data: masked by the names that hold them and by their well-known forms.

The one masker of the package. Whether a name is a secret's is Airflow's to say, where there is an Airflow to
ask; elsewhere :func:`mask_by_name` stands in for its masker.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress

from airflow_provider_mcp.sdk.json_types import JSON, JSONObject
from airflow_provider_mcp.sdk.secret_forms import MASK, FormMasker

Redact = Callable[[JSON, str | None], JSON]
"""From a value and the name it is held under to the value as Airflow's masker leaves it."""

MAX_DEPTH = 200
"""Data that is nested deeper than this is masked whole."""

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

SENSITIVE_OPTIONS = frozenset(
    {
        ("api", "secret_key"),
        ("api_auth", "jwt_secret"),
        ("atlas", "password"),
        ("celery", "broker_url"),
        ("celery", "flower_basic_auth"),
        ("celery", "result_backend"),
        ("celery_broker_transport_options", "sentinel_kwargs"),
        ("core", "asset_manager_kwargs"),
        ("core", "dataset_manager_kwargs"),
        ("core", "fernet_key"),
        ("core", "internal_api_secret_key"),
        ("core", "sql_alchemy_conn"),
        ("database", "sql_alchemy_conn"),
        ("database", "sql_alchemy_conn_async"),
        ("database", "sql_alchemy_engine_args"),
        ("logging", "remote_task_handler_kwargs"),
        ("openlineage", "transport"),
        ("opensearch", "password"),
        ("opensearch", "username"),
        ("secrets", "backend_kwargs"),
        ("sentry", "sentry_dsn"),
        ("smtp", "smtp_password"),
        ("webserver", "secret_key"),
        ("workers", "secrets_backend_kwargs"),
    }
)
"""Options that Airflow, or a provider of the Airflow project, calls sensitive, from 2.7 to 3.3."""

_LIKE_SENSITIVE = re.compile(r"fernet|_conn(_async)?$|kwargs?(__|$)|engine_args$|basic_auth$")

_PLACES = frozenset({"continuation_token", "file_token"})
"""Named like secrets, but nothing more than places in a list or a file, without which no call goes on."""

_ASSIGNMENT = re.compile(r"(?P<quote>[\"'])\s{0,4}[:=]\s{0,4}|=")
"""``name=``, as in the query of an address or in a DSN, and ``'name': ``, as Python prints it."""

_NAME = re.compile(r"[\w.-]{1,100}")

_VALUE = re.compile(r"\"([^\"\n]*)\"|'([^'\n]*)'|[^&;,\s\"']+")

_PROBE = "airflow-provider-mcp-probe"


def is_sensitive_option(section: str, option: str) -> bool:
    """Say whether an option of Airflow's configuration is sensitive, where no Airflow can be asked."""
    section, option = section.lower(), option.lower()
    return (section, option) in SENSITIVE_OPTIONS or _LIKE_SENSITIVE.search(option) is not None


def mask_by_name(value: JSON, name: str | None = None) -> JSON:
    """Return JSON-ready data in which what a sensitive name holds is ``***``, as Airflow's masker does it."""
    if name is not None and any(word in name.strip().lower() for word in SENSITIVE_NAMES):
        return _hide(value)
    if isinstance(value, dict):
        return {key: mask_by_name(inner, str(key)) for key, inner in value.items()}
    if isinstance(value, list):
        return [mask_by_name(inner, name) for inner in value]
    return value


def _hide(value: JSON) -> JSON:
    """Hide text and numbers, but leave the shape."""
    if isinstance(value, dict):
        return {key: _hide(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_hide(inner) for inner in value]
    return value if value is None or isinstance(value, bool) else MASK


class Masker:
    """Masks JSON-ready data by names and by forms, at any depth, and counts what it masked.

    Airflow's masker leaves numbers under sensitive names, passwords inside addresses, and JSON inside texts;
    here they go too.

    :param redact: Airflow's masker.
    """

    def __init__(self, redact: Redact = mask_by_name) -> None:
        self._redact = redact
        self._forms = FormMasker()
        self._names: dict[str, bool] = {}
        self._count = 0

    @property
    def count(self) -> int:
        """How many values and parts of texts were masked."""
        return self._count + self._forms.count

    def mask(self, value: JSON, name: str | None = None) -> JSON:
        """Return the data with its secrets as ``***``.

        :param name: The name that the value is held under.
        """
        return self._mask(value, name is not None and self.is_secret_name(name), 0)

    def is_secret_name(self, name: str) -> bool:
        """Say whether Airflow hides what is held under this name."""
        if name not in self._names:
            self._names[name] = name not in _PLACES and self._redact(_PROBE, name) != _PROBE
        return self._names[name]

    def _mask(self, value: JSON, hidden: bool, depth: int) -> JSON:
        if isinstance(value, str):
            return self._hide() if hidden else self._mask_text(value, depth)
        if value is None or isinstance(value, bool):
            return value
        if depth >= MAX_DEPTH:
            return self._hide()
        if isinstance(value, dict):
            return self._mask_object(value, hidden, depth + 1)
        if isinstance(value, list):
            return [self._mask(inner, hidden, depth + 1) for inner in value]
        return self._hide() if hidden else value

    def _mask_object(self, value: JSONObject, hidden: bool, depth: int) -> JSONObject:
        masked: JSONObject = {}
        # A variable or an option is its key beside its value.
        key = value.get("key")
        is_pair = isinstance(key, str) and self.is_secret_name(key)
        for name, inner in value.items():
            secret = hidden or self.is_secret_name(str(name)) or (is_pair and name in {"value", "val"})
            if name == "extra" and "conn_type" in value and not secret:
                # What is no JSON object cannot be told apart.
                secret = isinstance(inner, str) and bool(inner) and not isinstance(_parse(inner), dict)
            masked[name] = self._mask(inner, secret, depth)
        return masked

    def _hide(self) -> str:
        self._count += 1
        return MASK

    def _mask_text(self, text: str, depth: int) -> str:
        if text.lstrip()[:1] in {"{", "["}:
            parsed = _parse(text)
            if parsed is not None:
                masked = self._mask(parsed, False, depth + 1)
                return text if masked == parsed else json.dumps(masked, ensure_ascii=False)
        redacted = str(self._redact(text, None))
        self._count += redacted != text
        text = self._forms.mask(redacted)
        return self._mask_settings(text) if "=" in text or "':" in text or '":' in text else text

    def _mask_settings(self, text: str) -> str:
        pieces, done = [], 0
        for match in _ASSIGNMENT.finditer(text):
            name = _name_before(text, match) if match.start() >= done else None
            if name is None or not self.is_secret_name(name):
                continue
            value = _VALUE.match(text, match.end())
            if value is None:
                continue
            bare = next((part for part in value.groups() if part is not None), value[0])
            if not bare.strip("*") or bare in {"None", "True", "False"}:
                continue
            quote = value[0][0] if value[0][0] in "\"'" else ""
            pieces += [text[done : match.end()], f"{quote}{MASK}{quote}"]
            done = value.end()
            self._count += 1
        return "".join([*pieces, text[done:]])


def _name_before(text: str, assignment: re.Match[str]) -> str | None:
    """Return the name before ``=`` or ``:``; None if there is none, or its quotes do not match."""
    end = assignment.start()
    backwards = _NAME.match(text[max(0, end - 100) : end][::-1])
    if backwards is None:
        return None
    begin = end - backwards.end()
    quote = assignment["quote"]
    return backwards[0][::-1] if quote is None or text[begin - 1 : begin] == quote else None


def _parse(text: str) -> JSON:
    with suppress(ValueError, RecursionError):
        return json.loads(text)
    return None


def mask_secrets(redact: Redact, value: JSON, name: str | None = None) -> JSON:
    """Return JSON-ready data with its secrets masked, by ``redact`` and by their forms."""
    return Masker(redact).mask(value, name)


def holds_mask(value: JSON) -> bool:
    """Say whether a value that is to be stored holds the mask of a secret where the secret should be."""
    if isinstance(value, dict):
        return any(holds_mask(inner) for inner in value.values())
    if isinstance(value, list):
        return any(holds_mask(inner) for inner in value)
    if not isinstance(value, str):
        return False
    parsed = _parse(value)
    if parsed is not None:
        return holds_mask(parsed)
    return value.strip() == MASK or f":{MASK}@" in value
