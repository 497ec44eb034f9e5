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
"""The kit for provider authors: it fails where a tool is wrong, and says why."""

from __future__ import annotations

from typing import Annotated, Any

import anyio
import httpx
import pytest
from pydantic import BaseModel, Field

from airflow_provider_mcp.sdk import Airflow, path, tool
from airflow_provider_mcp.sdk.errors import ToolError
from airflow_provider_mcp.server.policy import Policy
from airflow_provider_mcp.testing import (
    Recording,
    UnexpectedCall,
    assert_definition,
    call_tool,
    estimate_tokens,
    load_plugin,
    open_airflow,
)

DAG_ID = Annotated[str, Field(description="The Dag ID.")]


class Run(BaseModel):
    dag_id: str
    state: str


@tool(access="read")
async def get_last_state(dag_id: DAG_ID, airflow: Airflow) -> Run:
    """Get the state of a Dag's last run."""
    runs = await airflow.get(path("dags/{}/dagRuns", dag_id), params={"order_by": "-id", "limit": 1})
    return Run(dag_id=dag_id, state=runs.json()["dag_runs"][0]["state"])


@tool(access="destructive")
async def delete_runs(dag_id: DAG_ID, airflow: Airflow) -> Run:
    """Delete a Dag's last run."""
    await airflow.delete(path("dags/{}/dagRuns/last", dag_id))
    return Run(dag_id=dag_id, state="deleted")


def test_the_reply_that_names_the_most_parameters_answers() -> None:
    recording = Recording({"GET dags/a/dagRuns": {"of": "all"}})
    recording.reply("GET dags/a/dagRuns?state=failed", {"of": "failed"})
    recording.reply("GET dags/a/dagRuns?state=failed&limit=1", {"of": "failed, 1"})

    async def ask(**params: Any) -> Any:
        return (await open_airflow(recording).get("dags/a/dagRuns", params=params)).json()["of"]

    assert anyio.run(ask) == "all"
    assert anyio.run(lambda: ask(state="failed", limit=5)) == "failed"
    assert anyio.run(lambda: ask(state="failed", limit=1, offset=2)) == "failed, 1"
    assert [call.params for call in recording.calls][1] == {"state": "failed", "limit": "5"}


def test_replies_may_change_and_be_of_any_kind() -> None:
    numbers = iter(range(9))
    recording = Recording({"GET version": lambda _: {"n": next(numbers)}, "GET raw": httpx.Response(418)})
    recording.reply("GET text", "plain")
    recording.reply("DELETE dags/a", status=204)

    async def ask() -> tuple[Any, ...]:
        airflow = open_airflow(recording, "write")
        first = (await airflow.get("version")).json()["n"]
        second = (await airflow.get("version")).json()["n"]
        text = (await airflow.get("text")).text
        return first, second, text, (await airflow.delete("dags/a")).status_code

    assert anyio.run(ask) == (0, 1, "plain", 204)
    with pytest.raises(ToolError):
        call_tool(get_raw, open_airflow(recording))


async def get_raw(airflow: Airflow) -> None:
    await airflow.get("raw")


@pytest.mark.parametrize("request_line", ["dags/a", "get dags/a", "GET", "GET "])
def test_a_request_that_is_not_one_is_refused(request_line: str) -> None:
    with pytest.raises(ValueError, match="is not written like"):
        Recording({request_line: {}})


def test_an_unexpected_call_fails_the_test_though_the_server_hides_it() -> None:
    recording = Recording({"GET dags/b/dagRuns": {}})
    with pytest.raises(UnexpectedCall, match=r"GET dags/a/dagRuns\?order_by=-id&limit=1 has no reply"):
        call_tool(get_last_state, open_airflow(recording), dag_id="a")
    with pytest.raises(UnexpectedCall, match="there are: GET dags/b/dagRuns"):
        load_plugin([get_last_state], recording).call("get_last_state", dag_id="a")
    assert len(recording.unexpected) == 2
    assert recording.calls == []


def test_the_fixture_fails_a_test_that_swallows_an_unexpected_call(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("pytest_plugins = ['airflow_provider_mcp.testing']")
    pytester.makepyfile(
        """
        import pytest
        from airflow_provider_mcp.sdk import Airflow
        from airflow_provider_mcp.testing import call_tool, open_airflow

        async def ask(airflow: Airflow):
            await airflow.get("dags")

        def test_it(airflow_recording):
            with pytest.raises(AssertionError):
                call_tool(ask, open_airflow(airflow_recording))
        """
    )
    pytester.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(passed=1, errors=1)


def test_a_client_of_either_era_gets_what_the_tool_returns() -> None:
    tester = load_plugin([get_last_state])
    tester.recording.reply("GET dags/a/dagRuns", {"dag_runs": [{"state": "failed"}]})
    assert tester.result("get_last_state", dag_id="a") == {"dag_id": "a", "state": "failed"}
    assert set(tester.list_tools()) == {"get_last_state"}

    async def versions() -> list[Any]:
        found = []
        for mode in ("auto", "legacy"):
            async with tester.connect(mode) as client:  # type: ignore[arg-type]
                result = await client.call_tool("get_last_state", {"dag_id": "a"})
                found.append((client.protocol_version, result.structured_content))
        return found

    same = {"dag_id": "a", "state": "failed"}
    assert anyio.run(versions) == [("2026-07-28", same), ("2025-11-25", same)]


def test_a_tool_error_is_told_apart_from_a_result() -> None:
    tester = load_plugin([get_last_state])
    tester.recording.reply("GET dags/a/dagRuns", {"detail": "no such Dag"}, status=404)
    failure = tester.error("get_last_state", dag_id="a")
    assert (failure["code"], failure["message"]) == ("not_found", "no such Dag")
    assert tester.error("get_last_state", dag="a")["code"] == "invalid_argument"
    with pytest.raises(AssertionError, match="get_last_state failed: no such Dag"):
        tester.result("get_last_state", dag_id="a")
    tester.recording.reply("GET dags/a/dagRuns", {"dag_runs": [{"state": "failed"}]})
    with pytest.raises(AssertionError, match="did not fail"):
        tester.error("get_last_state", dag_id="a")


def test_the_server_may_look_for_names_and_a_tool_may_not() -> None:
    tester = load_plugin([get_last_state])
    tester.recording.reply("GET dags/dayly/dagRuns", {"detail": "no such Dag"}, status=404)
    assert tester.error("get_last_state", dag_id="dayly")["code"] == "not_found"
    tester.recording.reply("GET dags/dayly", {"detail": "no such Dag"}, status=404)
    tester.recording.reply("GET dags", {"dags": [{"dag_id": "daily"}], "total_entries": 1})
    assert tester.error("get_last_state", dag_id="dayly")["did_you_mean"] == ["daily"]

    @tool(access="read")
    async def get_dag_alone(dag_id: DAG_ID, airflow: Airflow) -> Run:
        """Get a Dag."""
        return Run(dag_id=dag_id, state=(await airflow.get(path("dags/{}", dag_id))).json()["state"])

    with pytest.raises(UnexpectedCall):
        load_plugin([get_dag_alone]).call("get_dag_alone", dag_id="sales")


def test_a_confirmation_takes_two_steps_and_a_policy_applies() -> None:
    tester = load_plugin([delete_runs])
    tester.recording.reply("DELETE dags/a/dagRuns/last", status=204)
    asked = tester.error("delete_runs", dag_id="a")
    assert asked["code"] == "confirmation_required"
    assert tester.recording.calls == []
    token = asked["confirmation_token"]
    assert tester.result("delete_runs", dag_id="a", confirmation_token=token)["state"] == "deleted"
    assert [call.method for call in tester.recording.calls] == ["DELETE"]
    reading = load_plugin([delete_runs], policy=Policy(read_only=True))
    assert reading.error("delete_runs", dag_id="a")["code"] == "read_only"


def test_a_plugin_that_is_left_out_is_named() -> None:
    @tool(access="read")
    async def list_dags() -> Run:
        """Take the name of a built-in tool."""
        return Run(dag_id="", state="")

    with pytest.raises(AssertionError, match="list_dags of under_test is left out: the built-in dags"):
        load_plugin([list_dags])
    with pytest.raises(AssertionError, match="no entry point 'absent'"):
        load_plugin("absent")


def test_a_definition_is_held_to_what_a_model_needs() -> None:
    shown = assert_definition(get_last_state)
    assert shown.name == "get_last_state"
    assert assert_definition(delete_runs).annotations.destructive_hint is True  # type: ignore[union-attr]

    @tool(access="read")
    async def get_it(dag_id: str, limit: int = 3) -> dict[str, Any]:
        """Get it"""
        return {dag_id: limit}

    with pytest.raises(AssertionError) as failed:
        assert_definition(get_it, max_tokens=10)
    for part in ("dag_id has no", "limit has no", "full stop", "names no field", "more than 10"):
        assert part in str(failed.value)


def test_the_estimate_is_near_the_tokenizer() -> None:
    # Counted by gpt-tokenizer 4.0.0, o200k_base.
    assert estimate_tokens("Get the state of a Dag's last run.") == pytest.approx(11, abs=2)
    schema = {"type": "object", "properties": {"dag_id": {"type": "string", "description": "The Dag ID."}}}
    assert estimate_tokens(schema) == pytest.approx(25, abs=3)
