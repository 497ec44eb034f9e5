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
"""Every REST operation, resources, prompts and completions, against a real Airflow."""

from __future__ import annotations

import json
from typing import Any

import httpx
import jsonschema
import pytest

from airflow_provider_mcp.server.catalogue import load_catalogue
from airflow_provider_mcp.tools.api.document import Api, Operation, read_document
from airflow_provider_mcp.tools.api.routing import choose_call
from tests.live.site import LINE, TLS, Site

ROOT = "/api/v2/" if LINE == 3 else "/api/v1/"
SECRET = "s3cr3t-of-the-test"
# What a walk through all operations fills identifiers with.
PLAUSIBLE: dict[str, Any] = {
    "dag_id": "demo_succeeds",
    "dag_run_id": "walked",
    "task_id": "load",
    "map_index": 0,
    "task_try_number": 1,
    "try_number": 1,
    "version_number": 1,
    "asset_id": 1,
    "asset_alias_id": 1,
    "backfill_id": 1,
    "event_log_id": 1,
    "import_error_id": 1,
    "pool_name": "default_pool",
    "connection_id": "walked",
    "variable_key": "walked_password",
    "xcom_key": "return_value",
    "key": "some/key",
    "section": "core",
    "option": "parallelism",
    "uri": "s3://bucket/key",
    "file_token": "not-a-token",
    "group_id": "group",
    "role_name": "Viewer",
    "username": "viewer",
    "interval": 1,
}


def own(site: Site, method: str, route: str, **options: Any) -> httpx.Response:
    """Ask Airflow's own REST API."""
    headers = {"Authorization": site.authorization("admin")}
    return httpx.request(method, site.root + ROOT + route, headers=headers, timeout=60, verify=TLS, **options)


@pytest.fixture(scope="module")
def api(site: Site) -> Api:
    """The operations of the document that Airflow shows everyone."""
    address = "/openapi.json" if LINE == 3 else "/api/v1/openapi.json"
    return read_document(httpx.get(site.root + address, timeout=60).content)


@pytest.fixture(scope="module")
def walked(site: Site) -> str:
    """A finished run, a variable and a connection with secrets."""
    result = site.call(
        "trigger_dag", dag_id="demo_succeeds", dag_run_id="walked", unpause=True, wait_seconds=45
    )
    for _ in range(6):
        if result["structuredContent"].get("done"):
            break
        result = site.call(
            "wait_for_dag_run", dag_id="demo_succeeds", dag_run_id="walked", timeout_seconds=45
        )
    assert result["structuredContent"]["state"] == "success", result
    made = own(site, "POST", "variables", json={"key": "walked_password", "value": SECRET})
    assert made.status_code in {200, 201}, made.text
    connection = {
        "connection_id": "walked",
        "conn_type": "http",
        "password": SECRET,
        "extra": json.dumps({"api_token": SECRET, "region": "eu"}),
    }
    made = own(site, "POST", "connections", json=connection)
    assert made.status_code in {200, 201}, made.text
    return "walked"


def identifiers(operation: Operation) -> dict[str, Any]:
    given = {name: PLAUSIBLE[name] for name in operation.identifiers}
    for name, parameter in operation.parameters.items():
        if parameter["in"] == "query" and parameter.get("required"):
            given[name] = PLAUSIBLE.get(name, "none")
    return given


def test_every_operation_is_found_and_routable(site: Site, api: Api) -> None:
    assert len(api.operations) == (128 if LINE == 3 else 89)
    lost = []
    for operation in api.operations:
        found = site.call("search_api", query=operation.summary)["structuredContent"]["operations"]
        if (operation.method, ROOT + operation.route) not in {(o["method"], o["path"]) for o in found}:
            lost.append((operation.method, operation.route))
        if not operation.route.startswith("auth/"):
            call = choose_call(api, operation.method, ROOT + operation.route, identifiers(operation))
            assert call.operation is operation
    assert lost == []


def test_every_get_answers(site: Site, api: Api, walked: str) -> None:
    answered, refused = [], {}
    for operation in api.operations:
        if operation.method != "GET" or operation.route.startswith("auth/"):
            continue
        result = site.call("call_api_read", path=ROOT + operation.route, params=identifiers(operation))
        if result.get("isError"):
            refused[operation.route] = result["structuredContent"]["error"]
        else:
            answered.append(operation.route)
            assert result["structuredContent"]["status"] == 200
        assert SECRET not in json.dumps(result), operation.route
    strange = {
        route: error
        for route, error in refused.items()
        if error["code"] not in {"not_found", "invalid_argument", "permission_denied"}
    }
    assert strange == {}
    print(len(answered), "answered;", {route: error["code"] for route, error in refused.items()})  # noqa: T201
    assert len(answered) >= 35
    assert {"dags", "dags/{dag_id}/dagRuns/{dag_run_id}", "variables", "connections"} <= set(answered)


def test_an_answer_is_that_of_airflow(site: Site, walked: str) -> None:
    for route in ("version", "pools/default_pool", "dags/demo_succeeds/tasks", "dags/~/dagRuns/walked"):
        mine = site.call("call_api_read", path=ROOT + route)
        theirs = own(site, "GET", route)
        if theirs.status_code == 200:
            assert mine["structuredContent"]["answer"] == theirs.json()
        else:
            assert mine["structuredContent"]["error"]["status"] == theirs.status_code
    listed = site.call("call_api_read", path="dags", params={"limit": 1, "order_by": "dag_id"})
    assert len(listed["structuredContent"]["answer"]["dags"]) == 1


def test_an_identifier_may_hold_what_it_likes(site: Site) -> None:
    key = "walk/ed?one#of 100%"
    assert own(site, "POST", "variables", json={"key": key, "value": "v"}).status_code in {200, 201}
    given = site.call("call_api_read", path="variables/{variable_key}", params={"variable_key": key})
    assert given["structuredContent"]["answer"]["value"] == "v"
    filled = site.call("call_api_read", path="variables/walk%2Fed%3Fone%23of%20100%25")
    assert filled["structuredContent"]["answer"]["key"] == key
    if LINE == 2:
        missing = site.call("call_api_read", path="datasets/{uri}", params={"uri": "s3://bucket/key"})
        assert "s3://bucket/key" in missing["content"][0]["text"]


@pytest.mark.skipif(LINE != 2, reason="Airflow 3 reads a source by the Dag's ID")
def test_a_token_that_is_no_secret_goes_on_to_the_next_call(site: Site) -> None:
    dag = site.call("call_api_read", path="dags/demo_succeeds")["structuredContent"]["answer"]
    source = site.call(
        "call_api_read", path="dagSources/{file_token}", params={"file_token": dag["file_token"]}
    )
    assert "demo_succeeds" in json.dumps(source["structuredContent"]["answer"])


def test_secrets_are_masked(site: Site, walked: str) -> None:
    variable = site.call("call_api_read", path="variables/walked_password")["structuredContent"]["answer"]
    assert variable["value"] == "***"
    connection = site.call("call_api_read", path="connections/walked")["structuredContent"]["answer"]
    assert json.loads(connection["extra"]) == {"api_token": "***", "region": "eu"}


@pytest.mark.parametrize(
    ("path", "params", "code"),
    [
        ("/ui/dags", None, "not_found"),
        ("/auth/token", None, "not_found"),
        ("/api/v9/dags", None, "not_found"),
        (f"{ROOT}dag", None, "not_found"),
        (f"{ROOT}dags/../connections", None, "not_found"),
        (f"{ROOT}dags/%2E%2E", None, "invalid_argument"),
        (f"{ROOT}dags/..%2Fconnections", None, "invalid_argument"),
        (f"{ROOT}dags/{{dag_id}}", {"dag_id": "../connections"}, "invalid_argument"),
        ("http://127.0.0.1:1/", None, "invalid_argument"),
        (f"{ROOT}dags?limit=1", None, "invalid_argument"),
        (f"{ROOT}dags", {"colour": "red"}, "invalid_argument"),
        (f"{ROOT}dags/demo_suceeds", None, "not_found"),
    ],
)
def test_what_is_no_operation(site: Site, path: str, params: Any, code: str) -> None:
    result = site.call("call_api_read", path=path, params=params)
    assert result["structuredContent"]["error"]["code"] == code, result


def confirmed(site: Site, **arguments: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Call in two steps; return the preview and the result."""
    asked = site.call("call_api", **arguments)
    shown = asked["structuredContent"]
    assert shown["error"]["code"] == "confirmation_required", shown
    done = site.call("call_api", **arguments, confirmation_token=shown["confirmation_token"])
    return shown["preview"], done


def test_a_pool_is_made_changed_and_deleted(site: Site) -> None:
    pool = {"name": "walked", "slots": 3, "description": "d"}
    if LINE == 3:
        pool["include_deferred"] = False
    preview, done = confirmed(site, method="POST", path=f"{ROOT}pools", body=pool)
    assert preview["request"] == f"POST {ROOT}pools"
    assert not done.get("isError"), done
    change = (
        {"name": "walked", "slots": 4}
        if LINE == 2
        else {"pool": "walked", "slots": 4, "include_deferred": False}
    )
    mask = {"update_mask": ["slots"]}
    preview, done = confirmed(
        site,
        method="PATCH",
        path=f"{ROOT}pools/{{pool_name}}",
        params={**mask, "pool_name": "walked"},
        body=change,
    )
    assert preview["now"]["slots"] == 3
    assert not done.get("isError"), done
    assert own(site, "GET", "pools/walked").json()["slots"] == 4
    preview, done = confirmed(site, method="DELETE", path=f"{ROOT}pools/walked")
    assert preview["now"]["name"] == "walked"
    assert done["structuredContent"]["status"] == 204
    assert own(site, "GET", "pools/walked").status_code == 404
    gone = site.call("call_api", method="DELETE", path=f"{ROOT}pools/walked")
    assert gone["structuredContent"]["error"]["code"] == "not_found"


def test_a_viewer_may_not_write(site: Site) -> None:
    token = site.call("call_api", user="viewer", method="POST", path="pools", body={"name": "v", "slots": 1})
    result = site.call(
        "call_api",
        user="viewer",
        method="POST",
        path="pools",
        body={"name": "v", "slots": 1},
        confirmation_token=token["structuredContent"]["confirmation_token"],
    )
    assert result["structuredContent"]["error"]["code"] == "permission_denied"


def test_results_fit_their_schemas(site: Site, walked: str) -> None:
    run = {"dag_id": "demo_succeeds", "dag_run_id": "walked"}
    calls: dict[str, dict[str, Any]] = {
        "list_dags": {},
        "get_dag": {"dag_id": "demo_params"},
        "list_dag_runs": {"dag_id": "demo_succeeds"},
        "get_dag_run": run,
        "wait_for_dag_run": run,
        "list_task_instances": run,
        "get_task_logs": {**run, "task_id": "load"},
        "get_airflow_info": {"include": ["version", "providers", "plugins"]},
        "get_system_health": {},
        "list_import_errors": {},
        "search_api": {"query": "list pools"},
        "call_api_read": {"path": "version"},
    }
    shown = {tool["name"]: tool for tool in ask(site, "tools/list")["tools"]}
    whole = load_catalogue("3.3.2" if LINE == 3 else "2.11.2", found=[]).tools
    for name, arguments in calls.items():
        result = site.call(name, **arguments)
        assert not result.get("isError"), (name, result)
        jsonschema.validate(result["structuredContent"], shown[name]["outputSchema"])
        jsonschema.validate(result["structuredContent"], whole[name].output_schema)
        # What every result is said to have is there.
        promised = set(whole[name].output_schema.get("required", ()))
        assert promised <= set(result["structuredContent"]), name


# ---- resources, prompts, completions -----------------------------------------------------------------


def ask(site: Site, method: str, **params: Any) -> dict[str, Any]:
    """Send a request; return its result, or its error under ``error``."""
    answer = site.post({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).json()
    return answer.get("result", {"error": answer.get("error")})


def read(site: Site, uri: str) -> str:
    answer = ask(site, "resources/read", uri=uri)
    assert "error" not in answer, answer
    assert [content["uri"] for content in answer["contents"]] == [uri]
    return str(answer["contents"][0]["text"])


def test_resources(site: Site, walked: str) -> None:
    listed = {row["uri"]: row for row in ask(site, "resources/list")["resources"]}
    assert {"airflow://version", "airflow://config"} <= set(listed)
    assert listed["airflow://version"]["title"]
    templates = {row["uriTemplate"] for row in ask(site, "resources/templates/list")["resourceTemplates"]}
    assert {
        "airflow://dags/{dag_id}",
        "airflow://dags/{dag_id}/source",
        "airflow://dags/{dag_id}/runs/{dag_run_id}",
    } <= templates
    assert json.loads(read(site, "airflow://version"))["version"].startswith(f"{LINE}.")
    assert json.loads(read(site, "airflow://dags/demo_succeeds"))["dag_id"] == "demo_succeeds"
    assert "demo_succeeds" in read(site, "airflow://dags/demo_succeeds/source")
    run = json.loads(read(site, "airflow://dags/demo_succeeds/runs/walked"))
    assert (run["dag_run_id"], run["state"]) == ("walked", "success")


@pytest.mark.parametrize(
    "uri",
    [
        "airflow://dags/no_such_dag",
        "airflow://dags/no_such_dag/source",
        "airflow://dags/demo_succeeds/runs/no_such_run",
        "airflow://dags/..%2Fconnections",
        "airflow://nothing",
        "file:///etc/passwd",
    ],
)
def test_a_missing_resource_is_the_protocols_error(site: Site, uri: str) -> None:
    error = ask(site, "resources/read", uri=uri)["error"]
    assert error["code"] == -32602
    assert error["data"]["uri"] == uri


def test_the_configuration_is_shown_only_as_airflow_shows_it(site: Site) -> None:
    theirs = own(site, "GET", "config")
    answer = ask(site, "resources/read", uri="airflow://config")
    if theirs.status_code == 200:
        assert "core" in json.loads(answer["contents"][0]["text"])
    else:
        assert answer["error"]["data"]["code"] == "permission_denied"


def completions(site: Site, name: str, begun: str, **chosen: str) -> list[str]:
    answer = ask(
        site,
        "completion/complete",
        ref={"type": "ref/resource", "uri": "airflow://dags/{dag_id}/runs/{dag_run_id}"},
        argument={"name": name, "value": begun},
        context={"arguments": chosen},
    )
    values: list[str] = answer["completion"]["values"]
    assert len(values) <= 100
    return values


def test_completions(site: Site, walked: str) -> None:
    assert "demo_succeeds" in completions(site, "dag_id", "demo_s")
    assert "demo_fails" not in completions(site, "dag_id", "demo_s")
    assert "walked" in completions(site, "dag_run_id", "wal", dag_id="demo_succeeds")
    tasks = {row["task_id"] for row in own(site, "GET", "dags/demo_succeeds/tasks").json()["tasks"]}
    assert set(completions(site, "task_id", "", dag_id="demo_succeeds")) == tasks
    assert completions(site, "dag_run_id", "", dag_id="no_such_dag") == []
    assert completions(site, "dag_run_id", "", dag_id="../connections") == []
    assert completions(site, "colour", "r") == []


def test_prompts(site: Site) -> None:
    listed = {row["name"]: row for row in ask(site, "prompts/list")["prompts"]}
    assert {
        "troubleshoot_failed_dag",
        "daily_health_check",
        "onboard_new_dag",
        "explain_dag_to_oncall",
    } <= set(listed)
    assert listed["daily_health_check"].get("arguments", []) == []
    assert [a["name"] for a in listed["onboard_new_dag"]["arguments"]] == ["dag_id"]
    asked = ask(site, "prompts/get", name="explain_dag_to_oncall", arguments={"dag_id": "demo_fails"})
    assert "`demo_fails`" in asked["messages"][0]["content"]["text"]
    assert ask(site, "prompts/get", name="explain_dag_to_oncall", arguments={})["error"]["code"] == -32602
    assert ask(site, "prompts/get", name="no_such_prompt")["error"]["code"] == -32602
