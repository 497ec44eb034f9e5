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
"""The kit's recording, and calls of tools' functions over it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_mcp.sdk.errors import ToolError
from airflow_provider_mcp.testing import Recording, call_tool, open_airflow


class FakeAirflow(Recording):
    """Replies named ``GET dags/a``; a number is a status. A call without a reply fails the test."""

    def __init__(self, **replies: Any) -> None:
        super().__init__()
        self.on(**replies)

    def on(self, **replies: Any) -> FakeAirflow:
        """Add replies; the newest of a name holds."""
        for request, answer in replies.items():
            if isinstance(answer, int):
                self.reply(request, {"detail": f"{request}: {answer}"}, status=answer)
            else:
                self.reply(request, answer)
        return self

    def unconnected(self, dag_id: str) -> FakeAirflow:
        """Add the replies by which nothing depends on a Dag: what previews ask for is of no matter then."""
        none: dict[str, Any] = {"total_entries": 0}
        replies = {
            "GET assets": {**none, "assets": []},
            f"GET dags/{dag_id}/tasks": {"tasks": []},
            "GET dags/~/dagRuns/~/taskInstances": {**none, "task_instances": []},
            f"GET dags/{dag_id}": {"dag_id": dag_id},
            f"GET dags/{dag_id}/dagRuns": {**none, "dag_runs": []},
        }
        known = {f"{method} {route}" for method, route, *_ in self._replies}
        return self.on(**{request: reply for request, reply in replies.items() if request not in known})

    @property
    def last_change(self) -> Any:
        """The body of the last request beside those that read."""
        return [call for call in self.calls if call.method != "GET"][-1].body

    def call(self, tool: Callable[..., Any], access: Any = "write", **arguments: Any) -> Any:
        """Call a tool; return what it shows."""
        result = call_tool(tool, open_airflow(self, access), **arguments)
        return result if isinstance(result, dict) else result.model_dump(mode="json", exclude_none=True)

    def refuses(
        self, code: str, tool: Callable[..., Any], access: Any = "write", **arguments: Any
    ) -> ToolError:
        """Call a tool that must fail; return the error."""
        with pytest.raises(ToolError) as refused:
            self.call(tool, access, **arguments)
        assert refused.value.code == code, refused.value
        return refused.value

    def changes(self) -> list[tuple[str, str]]:
        """Return what was asked beside reading, in order."""
        return [(call.method, call.route) for call in self.calls if call.method != "GET"]
