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
"""The errors that a tool raises when it cannot do what was asked: a type for each code."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from airflow_provider_mcp.sdk.json_types import JSONObject

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
    "failed",
    "internal",
]


class ToolError(Exception):
    """A failure that the model that called the tool can read and act upon.

    ``ToolError("what happened", hint="what to do next")`` is enough; its types say which kind it is.

    :param message: What happened, with the identifiers it happened to.
    :param hint: What to do next.
    :param retryable: Whether the same call may succeed later; None takes what the type says.
    :param identifiers: The Dag, run, task or other thing that the error is about.
    """

    code: ClassVar[ErrorCode] = "failed"
    retryable: bool = False

    def __init__(
        self, message: str, *, hint: str = "", retryable: bool | None = None, **identifiers: Any
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if retryable is not None:
            self.retryable = retryable
        self.identifiers = identifiers
        self.details: JSONObject = {}
        """What the result shows beside the error, such as the preview of an unconfirmed call."""

    def as_dict(self) -> JSONObject:
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


class NotFound(ToolError):
    """There is no such thing."""

    code = "not_found"


class InvalidArgument(ToolError):
    """An argument is missing, wrong, or does not fit the others."""

    code = "invalid_argument"


class PermissionDenied(ToolError):
    """The caller may not do this."""

    code = "permission_denied"


class Conflict(ToolError):
    """What there is now does not allow it: it exists already, or it has changed."""

    code = "conflict"


class Unsupported(ToolError):
    """This Airflow, or this client, cannot do it."""

    code = "unsupported"


class Unavailable(ToolError):
    """Airflow, or something it needs, does not answer now; the same call may succeed later."""

    code = "unavailable"
    retryable = True


class RateLimited(ToolError):
    """The caller called too often."""

    code = "rate_limited"
    retryable = True


class ReadOnly(ToolError):
    """The call would change something where only reading is allowed."""

    code = "read_only"


class ConfirmationRequired(ToolError):
    """The call changes something and is not confirmed yet."""

    code = "confirmation_required"


class InternalError(ToolError):
    """A fault of Airflow or of a tool, which the web server's log explains."""

    code = "internal"
