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
"""The error a tool raises when it cannot do what was asked."""

from __future__ import annotations

from typing import Any, Literal

ErrorCode = Literal[
    "not_found",
    "invalid_argument",
    "permission_denied",
    "conflict",
    "read_only",
    "confirmation_required",
    "unsupported",
    "rate_limited",
    "unavailable",
    "internal",
]


class ToolError(Exception):
    """A failure that the model that called the tool can read and act upon.

    :param code: What kind of failure it is.
    :param message: What happened, with the identifiers it happened to.
    :param hint: What to do next.
    :param retryable: Whether the same call may succeed later.
    :param identifiers: The Dag, run, task or other thing that the error is about.
    """

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        *,
        hint: str = "",
        retryable: bool = False,
        **identifiers: Any,
    ) -> None:
        super().__init__(message)
        self.code: ErrorCode = code
        self.message = message
        self.hint = hint
        self.retryable = retryable
        self.identifiers = identifiers
        self.shown: dict[str, Any] = {}
        """What the result shows beside the error, such as the preview of an unconfirmed call."""

    def as_dict(self) -> dict[str, Any]:
        """Return ``{code, message, hint, retryable, ...identifiers}``."""
        return {
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "retryable": self.retryable,
            **self.identifiers,
        }

    def as_text(self) -> str:
        """Return the one sentence or two that a model reads."""
        return f"{self.message} {self.hint}".strip()
