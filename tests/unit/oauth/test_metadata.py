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
"""Where the login is, and at which addresses it may be."""

from __future__ import annotations

import pytest

from airflow_provider_mcp.oauth.metadata import Addresses, challenge_parameters


@pytest.mark.parametrize(
    ("base", "metadata"),
    [
        ("https://A.example.com", "https://a.example.com/.well-known/oauth-protected-resource/mcp/v1"),
        ("https://a.example.com/", "https://a.example.com/.well-known/oauth-protected-resource/mcp/v1"),
        (
            "https://a.example.com:8443/x/",
            "https://a.example.com:8443/x/mcp/v1/.well-known/oauth-protected-resource",
        ),
    ],
)
def test_a_refused_client_is_told_where_the_metadata_is(base: str, metadata: str) -> None:
    addresses = Addresses(base)
    assert challenge_parameters(addresses) == {
        "resource_metadata": metadata,
        "scope": "airflow:read airflow:write",
    }
    assert not addresses.resource.endswith("/")
    assert addresses.explain_unusable() is None


@pytest.mark.parametrize("base", ["http://localhost:8080", "http://127.0.0.1/x", "http://[::1]:8080"])
def test_on_loopback_http_will_do(base: str) -> None:
    assert Addresses(base).explain_unusable() is None


@pytest.mark.parametrize("base", ["http://airflow.example.com", "", "airflow.example.com", "ftp://localhost"])
def test_elsewhere_the_login_needs_https(base: str) -> None:
    assert "https" in (Addresses(base).explain_unusable() or "")
