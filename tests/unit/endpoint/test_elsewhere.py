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
"""What is asked for beside the endpoint."""

from __future__ import annotations

import json

import pytest

from airflow_provider_mcp.endpoint.elsewhere import answer_elsewhere, find_metadata


@pytest.mark.parametrize("prefix", ["", "/", "/air/flow", "/air/flow/"])
@pytest.mark.parametrize(
    "route",
    [
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/mcp/v1",
        "/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration",
        "/.well-known/openid-configuration/mcp/v1",
        "/mcp/.well-known/oauth-authorization-server",
        "/mcp/v1/.well-known/openid-configuration",
    ],
)
def test_clients_that_look_for_a_login_get_json(route: str, prefix: str) -> None:
    for path in (route, prefix.rstrip("/") + route):
        body = answer_elsewhere(path, prefix)
        assert body is not None
        assert "Authorization" in json.loads(body)["detail"]


@pytest.mark.parametrize("route", ["/mcp", "/mcp/v2", "/mcp/v1/tools", "/mcp/sse"])
def test_who_has_another_path_is_told_the_right_one(route: str) -> None:
    body = answer_elsewhere(f"/air/flow{route}", "/air/flow")
    assert body is not None
    assert "/air/flow/mcp/v1" in json.loads(body)["detail"]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/mcp/v1",
        "/mcp/v1/",
        "/mcp/",
        "/mcp/tools",
        "/mcp/confirm/x",
        "/mcpx",
        "/home",
        "/.well-known/security.txt",
        "/auth/.well-known/oauth-x",
    ],
)
def test_everything_else_is_not_ours(path: str) -> None:
    assert answer_elsewhere(path, "") is None
    assert answer_elsewhere(f"/air/flow{path}", "/air/flow") is None


def test_a_path_that_only_looks_like_the_prefix_is_not_below_it() -> None:
    assert answer_elsewhere("/airflow/mcp", "/air") is None


@pytest.mark.parametrize("prefix", ["", "/air/flow", "/air/flow/"])
@pytest.mark.parametrize(
    "name", ["oauth-protected-resource", "oauth-authorization-server", "openid-configuration"]
)
def test_the_metadata_of_the_login_is_found_wherever_clients_look(name: str, prefix: str) -> None:
    base = prefix.rstrip("/")
    for path in (
        f"/.well-known/{name}",
        f"/.well-known/{name}{base}/mcp/v1",
        f"/.well-known/{name}{base}/mcp/v1/",
        f"/.well-known/{name}{base}/mcp/oauth",
        f"{base}/.well-known/{name}",
        f"{base}/.well-known/{name}/mcp/v1",
        f"{base}/mcp/.well-known/{name}",
        f"{base}/mcp/v1/.well-known/{name}",
        f"{base}/mcp/oauth/.well-known/{name}",
    ):
        assert find_metadata(path, prefix) == f"/mcp/oauth/.well-known/{name}", path


def test_the_metadata_of_others_is_not_ours() -> None:
    assert (
        find_metadata("/.well-known/oauth-authorization-server/other", "") == "/mcp/oauth/.well-known/unknown"
    )
    for path in (
        "/",
        "/mcp/v1",
        "/mcp/oauth/token",
        "/.well-known/security.txt",
        "/auth/.well-known/oauth-x",
    ):
        assert find_metadata(path, "") is None


def test_what_is_below_the_login_answers_for_itself() -> None:
    assert answer_elsewhere("/air/mcp/oauth/token", "/air") is None
    assert answer_elsewhere("/air/mcp/oauth", "/air") is not None
