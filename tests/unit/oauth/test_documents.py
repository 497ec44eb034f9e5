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
"""What is fetched of a client, from where, and how much."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from airflow_provider_mcp.oauth.documents import MOST_BYTES, Documents
from airflow_provider_mcp.oauth.errors import Refused

URL = "https://client.example/metadata.json"


class Drip(httpx.SyncByteStream):
    """An answer without an end."""

    sent = 0

    def __iter__(self) -> Iterator[bytes]:
        while True:
            self.sent += 1000
            yield b" " * 1000


def fetch(answer: httpx.Response | Exception, *addresses: str) -> object:
    def respond(request: httpx.Request) -> httpx.Response:
        # It goes to the address that was looked at, by the name that was asked for.
        assert str(request.url) == "https://93.184.216.34/metadata.json"
        assert request.headers["host"] == "client.example"
        assert request.extensions["sni_hostname"] == "client.example"
        if isinstance(answer, Exception):
            raise answer
        return answer

    resolved = addresses or ("93.184.216.34",)
    return Documents(lambda _: resolved, httpx.MockTransport(respond)).fetch(URL)


def test_a_document_is_fetched() -> None:
    assert fetch(httpx.Response(200, json={"client_id": URL})) == {"client_id": URL}


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(302, headers={"Location": "https://evil.example/"}),
        httpx.Response(404),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json=[]),
        httpx.Response(200, text='"' + "x" * MOST_BYTES + '"'),
        httpx.Response(200, stream=Drip()),
        httpx.ConnectError("away"),
    ],
)
def test_what_is_no_document_is_refused(answer: httpx.Response | Exception) -> None:
    with pytest.raises(Refused, match="cannot be read"):
        fetch(answer)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "169.254.169.254",
        "192.168.0.1",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "::1",
        "fe80::1%eth0",
        "fd00::1",
        "::ffff:127.0.0.1",
        "2002:7f00:1::",
        "64:ff9b::7f00:1",
    ],
)
def test_nothing_is_fetched_from_an_address_that_is_not_public(address: str) -> None:
    for addresses in ((address,), ("93.184.216.34", address)):
        with pytest.raises(Refused, match="not at a public address"):
            fetch(httpx.Response(200, json={}), *addresses)


def test_a_host_without_an_address_is_refused() -> None:
    def resolve(_: str) -> list[str]:
        raise OSError("unknown host")

    with pytest.raises(Refused):
        Documents(resolve).fetch(URL)
    with pytest.raises(Refused):
        Documents(lambda _: []).fetch(URL)
