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
"""``AirflowMCPHook`` within an MCP call, by the tools of ``tests/fixtures/plugins/hook_plugin.py``."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.live.site import LINE, Site

ALLOWED = {"admin": "200", "viewer": "permission_denied"}


@pytest.fixture(scope="module")
def here(provisioned: Site) -> Iterator[str]:
    """A connection in the metadata database that has neither host nor credentials."""
    provisioned.airflow("connections", "add", "here", "--conn-type", "airflow_mcp")
    yield "here"
    provisioned.airflow("connections", "delete", "here")


@pytest.mark.parametrize("tool", ["look_in_a_thread", "look_from_the_loop"])
def test_the_hook_acts_as_the_caller_of_each_call(provisioned: Site, here: str, tool: str) -> None:
    """Two callers at once, whose calls overlap on the same threads."""
    callers = ["admin", "viewer"] * 4
    with ThreadPoolExecutor(len(callers)) as executor:
        results = list(executor.map(lambda who: provisioned.call(tool, who, conn_id=here, rounds=5), callers))
    for who, result in zip(callers, results, strict=True):
        assert not result.get("isError"), result
        seen = result["structuredContent"]
        assert {name.lower() for name in seen["callers"]} <= {who, f"{who} test"}
        assert seen["answers"] == [ALLOWED[who]] * 5
        assert seen["version"].startswith(f"{LINE}.")
        assert seen["tested"] is True


@pytest.mark.parametrize("tool", ["look_on_the_loop", "look_elsewhere"])
def test_where_the_client_could_not_wait_the_hook_says_what_to_do(
    provisioned: Site, here: str, tool: str
) -> None:
    message = provisioned.call(tool, conn_id=here, rounds=1)["structuredContent"]["error"]["message"]
    assert "anyio.to_thread.run_sync" in message
    if tool == "look_elsewhere":
        assert "Give the connection a host" in message.split(" / ")[0]
