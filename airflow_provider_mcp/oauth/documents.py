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
"""Fetches the metadata document of a client from its own server, and nothing else from anywhere."""

from __future__ import annotations

import ipaddress
import json
import socket
import time
from collections.abc import Callable, Sequence

import httpx

from airflow_provider_mcp.oauth.errors import Refused
from airflow_provider_mcp.sdk.json_types import JSON, JSONObject

SECONDS = 5.0

MOST_BYTES = 16_384

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""Addresses of IPv6 that stand for one of IPv4."""

Resolve = Callable[[str], Sequence[str]]


def resolve(host: str) -> list[str]:
    """Return the addresses of a host."""
    found = socket.getaddrinfo(host, 443, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


class Documents:
    """Fetches by HTTPS from public addresses, with a limit of size and time, and follows no redirects.

    :param resolve: Returns the addresses of a host. The connection goes to the address that was looked at:
        a second answer of the name server has no say.
    """

    def __init__(self, resolve: Resolve = resolve, transport: httpx.BaseTransport | None = None) -> None:
        self._resolve = resolve
        self._transport = transport

    def fetch(self, url: str) -> JSONObject:
        """Return the JSON object at an address.

        :raises Refused: There is none, or it may not be fetched.
        """
        try:
            return self._fetch(httpx.URL(url))
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as failure:
            raise Refused(
                "invalid_client", f"The client's metadata document cannot be read ({type(failure).__name__})."
            ) from failure

    def _fetch(self, url: httpx.URL) -> JSONObject:
        addresses = self._resolve(url.host)
        if not addresses or not all(_is_public(address) for address in addresses):
            raise Refused("invalid_client", "The client's metadata document is not at a public address.")
        headers = {"Host": url.netloc.decode(), "Accept": "application/json"}
        extensions = {"sni_hostname": url.host}
        body = bytearray()
        deadline = time.monotonic() + SECONDS
        # No proxy of the environment: it would resolve the name anew.
        with (
            httpx.Client(transport=self._transport, timeout=SECONDS, trust_env=False) as client,
            client.stream(
                "GET", url.copy_with(host=addresses[0]), headers=headers, extensions=extensions
            ) as answer,
        ):
            if answer.status_code != 200:
                raise ValueError(f"status {answer.status_code}")
            for part in answer.iter_bytes():
                body += part
                if len(body) > MOST_BYTES or time.monotonic() > deadline:
                    raise ValueError("too long")
        document: JSON = json.loads(body)
        if not isinstance(document, dict):
            raise ValueError("no object")
        return document


def _is_public(address: str) -> bool:
    parsed = ipaddress.ip_address(address.partition("%")[0])
    inner = getattr(parsed, "ipv4_mapped", None) or getattr(parsed, "sixtofour", None)
    if parsed in _NAT64:
        inner = ipaddress.ip_address(int(parsed) & 0xFFFFFFFF)
    return parsed.is_global and not parsed.is_multicast and (inner is None or inner.is_global)
