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
"""Airflow 3 with the FAB auth manager: users and roles in the database instead of in the token."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest

from devtools.airflow_process import AirflowHome
from tests.live.logging_in import Browser
from tests.live.login_requests import address, post, redeem, register
from tests.live.site import LINE, WORKERS, Site

pytestmark = pytest.mark.skipif(LINE != 3, reason="Airflow 2 has FAB's users in every test")


@pytest.fixture(scope="module")
def fab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    options = {
        "AIRFLOW__CORE__AUTH_MANAGER": "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager",
        # Airflow itself takes note of a deactivation only after this many seconds.
        "AIRFLOW__FAB__CACHE_TTL": "0",
    }
    home = AirflowHome(tmp_path_factory.mktemp("fab"), options=options)
    home.prepare()
    home.create_users()
    with Site(home, prefix="/air/flow").serving(WORKERS) as running:
        yield running


def test_roles_of_the_database_decide(fab: Site) -> None:
    assert fab.call("list_dags", user="viewer")["structuredContent"]["total"] == 0
    refused = fab.call("pause_dag", user="viewer", dag_id="any")["structuredContent"]["error"]
    assert refused["code"] == "permission_denied"
    absent = fab.call("pause_dag", user="admin", dag_id="any")["structuredContent"]["error"]
    assert absent["code"] == "not_found"


def test_the_token_of_a_deleted_user_is_worth_nothing(fab: Site) -> None:
    who = ["-f", "Gone", "-l", "Test", "-e", "gone@example.org", "-r", "Viewer"]
    fab.airflow("users", "create", "-u", "gone", "-p", "gone", *who)
    token = fab.authorization("gone")
    ping = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    assert fab.post(ping, None, Authorization=token).status_code == 200
    fab.airflow("users", "delete", "-u", "gone")
    assert fab.post(ping, None, Authorization=token).status_code == 401


def test_the_token_of_a_deactivated_user_is_worth_nothing(fab: Site) -> None:
    token = fab.authorization("viewer")
    ping = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    assert fab.post(ping, None, Authorization=token).status_code == 200
    with sqlite3.connect(fab.folder / "airflow.db") as database:
        database.execute("update ab_user set active = 0 where username = 'viewer'")
    assert fab.post(ping, None, Authorization=token).status_code == 401


def test_a_client_logs_in_by_the_session_of_fab(fab: Site) -> None:
    """FAB's login ignores where the browser is to go, and gives it the token of Airflow at a second visit."""
    browser = Browser(fab, "admin")
    client = register(fab)
    code = browser.visit(address(fab, client))["code"]
    tokens = redeem(fab, client, code).json()
    token = f"Bearer {tokens['access_token']}"
    call = {"name": "set_variable", "arguments": {"key": "by_fab", "value": "1"}}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
    answer = fab.post(message, None, Authorization=token)
    assert not answer.json()["result"].get("isError"), answer.text
    # Who is logged in already is asked at once, also when the browser has lost the token of Airflow.
    browser.http.cookies.delete("_token")
    assert "code" in browser.visit(address(fab, client))
    refreshed = post(
        fab, "token", grant_type="refresh_token", refresh_token=tokens["refresh_token"], client_id=client
    )
    assert refreshed.status_code == 200, refreshed.text


def test_the_login_of_a_deactivated_user_is_over(fab: Site) -> None:
    who = ["-f", "Left", "-l", "Test", "-e", "left@example.org", "-r", "Viewer"]
    fab.airflow("users", "create", "-u", "left", "-p", "left", *who)
    client = register(fab)
    tokens = redeem(fab, client, Browser(fab, "left").visit(address(fab, client))["code"]).json()
    ping = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    authorization = f"Bearer {tokens['access_token']}"
    assert fab.post(ping, None, Authorization=authorization).status_code == 200
    with sqlite3.connect(fab.folder / "airflow.db") as database:
        database.execute("update ab_user set active = 0 where username = 'left'")
    assert fab.post(ping, None, Authorization=authorization).status_code == 401
    refused = post(
        fab, "token", grant_type="refresh_token", refresh_token=tokens["refresh_token"], client_id=client
    )
    assert refused.json()["error"] == "invalid_grant"
