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
"""A call, or a prompt, that asks its client something and begins again when the answers are there.

Nothing is kept here between the rounds: the client carries what is remembered, sealed by the SDK.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import mcp_types as types
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from airflow_provider_mcp.sdk.client import AnswersNeeded, Client
from airflow_provider_mcp.sdk.errors import Unsupported
from airflow_provider_mcp.sdk.json_types import JSONObject
from airflow_provider_mcp.server.wire import (
    build_requests,
    capability_needed,
    find_missing_capabilities,
    read_answers,
)


@dataclass(frozen=True)
class Round:
    """What the rounds of one call remember."""

    answers: JSONObject = field(default_factory=dict)
    confirmation: str = ""
    """The token by which the call was confirmed, if it needed to be."""

    @classmethod
    def read(cls, state: str | None, responses: types.InputResponses | None) -> Round:
        """Return what the earlier rounds remember, with the answers to the last one's questions."""
        try:
            remembered = json.loads(state or "{}")
        except ValueError:
            # The state of a confirmation is its token, which is no JSON object.
            remembered = {}
        if not isinstance(remembered, dict):
            remembered = {}
        answers = {**remembered.get("answers", {}), **read_answers(responses)}
        return cls(answers, str(remembered.get("confirmation", "")))

    def ask(self, client: Client, needed: AnswersNeeded, protocol_version: str) -> types.InputRequiredResult:
        """Return the questions as they are sent to the client.

        :raises Unsupported: Before 2026-07-28, a client can only be asked in a session.
        :raises MCPError: The client does not declare that it answers such questions.
        """
        lacking = find_missing_capabilities(client, needed.questions)
        if lacking is not None and protocol_version not in MODERN_PROTOCOL_VERSIONS:
            raise Unsupported(
                f"This needs an answer ({', '.join(needed.questions)}) that the client cannot be asked for.",
                hint="Use a client of MCP 2026-07-28: before it, questions need a session.",
            )
        if lacking is not None:
            raise capability_needed("The client does not declare that it answers this.", lacking)
        state = json.dumps({"answers": self.answers, "confirmation": self.confirmation})
        return types.InputRequiredResult(input_requests=build_requests(needed.questions), request_state=state)
