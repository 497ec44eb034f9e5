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
"""Attempts to be answered without a valid credential, and from where nobody may call."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import ssl
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from tests.live.attack.target import ANSWER_SECONDS, Answer, Row, Target, check
from tests.live.messages import INITIALIZE

LIST_TOOLS = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "list_dags", "arguments": {}}}
MESSAGES = (LIST_TOOLS, INITIALIZE, CALL)

KEYS = ("", "secret", "airflow", "changeme", "temporary_key", "admin", "airflow_jwt_secret")
"""Keys that somebody may have left in a configuration."""


def encode(part: Any) -> str:
    data = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def forge_tokens(target: Target) -> Iterator[str]:
    """Yield JSON web tokens that nobody signed, or somebody else did, with real claims if there are."""
    now = int(time.time())
    claims: dict[str, Any] = {"sub": "admin", "role": "admin", "iat": now, "nbf": now, "exp": now + 3600}
    scheme, _, own = target.authorization.partition(" ")
    parts = own.split(".")
    if scheme.lower() == "bearer" and len(parts) == 3:
        claims |= json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        yield ".".join([parts[0], encode({**claims, "exp": now + 10**6}), parts[2]])
        yield ".".join([*parts[:2], parts[2][:-2] + ("AA" if not parts[2].endswith("AA") else "BB")])
        yield ".".join([*parts[:2], ""])
    for algorithm in ("none", "None", "NONE", "nOnE"):
        yield f"{encode({'alg': algorithm, 'typ': 'JWT'})}.{encode(claims)}."
    for key in KEYS:
        for algorithm, digest in (("HS256", hashlib.sha256), ("HS512", hashlib.sha512)):
            signed = f"{encode({'alg': algorithm, 'typ': 'JWT'})}.{encode(claims)}"
            yield f"{signed}.{encode(hmac.new(key.encode(), signed.encode(), digest).digest())}"
    header = {"alg": "HS512", "typ": "JWT", "jku": "http://127.0.0.1:1/keys", "kid": "../../dev/null"}
    yield f"{encode(header)}.{encode(claims)}.{encode(b'x' * 64)}"


def credentials(target: Target) -> Iterator[dict[str, str]]:
    """Yield headers, none of which is a valid credential where it must be."""
    own = target.authorization
    scheme, _, secret = own.partition(" ")
    yield {}
    for value in ("", "Bearer", "Basic", "Bearer null", "Bearer undefined", "Negotiate x", "Digest x"):
        yield {"Authorization": value}
    pairs = ("admin:", ":", "admin:wrong", "admin:admin\x00", "ADMIN:' OR 1=1--", "anonymous:", "airflow:")
    for pair in pairs:
        yield {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
    yield {"Authorization": "Basic !!!"}
    yield {"Authorization": "Bearer " + "A" * 4000}
    for token in forge_tokens(target):
        yield {"Authorization": f"Bearer {token}"}
    for mark in ("amcp_a_", "amcp_r_", "amcp_m_"):
        yield {"Authorization": f"Bearer {mark}{'A' * 60}"}
    # The right credential, where it is none.
    for name in ("Proxy-Authorization", "X-Authorization", "X-Forwarded-Authorization", "Api-Key"):
        yield {name: own}
    for cookie in ("_token", "session", "access_token", "Authorization"):
        yield {"Cookie": f"{cookie}={secret}"}
    yield {"Authorization": secret}
    yield {"Authorization": f"{scheme[::-1]} {secret}"}
    for name in ("X-Remote-User", "Remote-User", "X-Forwarded-User", "X-Airflow-User", "X-User", "Username"):
        yield {name: "admin"}
    yield {"X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1", "Forwarded": "for=127.0.0.1"}
    yield {"X-Original-URL": "/health", "X-Rewrite-URL": "/health"}
    yield {"X-HTTP-Method-Override": "OPTIONS", "Access-Control-Request-Method": "POST"}


def attack_door(target: Target, row: Row, share: float) -> None:
    """Try to be let in."""
    for headers in sample(target, list(credentials(target)), share):
        for message in sample(target, list(MESSAGES), max(share, 0.3)):
            expect_out(row, target.post(row, message, None, headers), f"with {headers}")
    # Access logs keep addresses: not with the credential of one who may do everything.
    secret = target.viewer.partition(" ")[2]
    for query in sample(target, ["?token={}", "?access_token={}", "?authorization={}", "?_token={}"], share):
        answer = target.post(row, LIST_TOOLS, None, query=query.format(secret))
        expect_out(row, answer, f"with {query}")
    for method in sample(target, ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"], share):
        expect_out(row, target.post(row, LIST_TOOLS, None, method=method), f"by {method}")
    for headers in sample(target, list(foreign_origins(target)), share):
        answer = target.post(row, LIST_TOOLS, target.authorization, headers)
        expect_out(row, answer, f"from {headers}")
    for request in sample(target, list(raw_requests(target)), share):
        expect_out(row, send_raw(target, row, request), f"by {request[:200]!r}")


def foreign_origins(target: Target) -> Iterator[dict[str, str]]:
    """Yield the headers of pages that may not call, of those that name themselves as this server."""
    host = urlsplit(target.url).netloc
    for origin in ("https://evil.example", "null", f"http://{host}.evil.example", f"http://evil@{host}"):
        yield {"Origin": origin}
    yield {"Origin": "http://evil.example", "Host": "evil.example"}
    yield {"Origin": "http://evil@localhost", "Host": "evil@localhost"}


def raw_requests(target: Target) -> Iterator[bytes]:
    """Yield requests that no HTTP client would send."""
    path = urlsplit(target.url).path
    host = urlsplit(target.url).netloc
    body = json.dumps(LIST_TOOLS)
    own = f"Authorization: {target.authorization}\r\n"
    evil = "Authorization: Bearer junk\r\n"
    cookie = f"Cookie: _token={target.authorization.partition(' ')[2]}\r\n"
    kind = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"

    def request(where: str, headers: str, method: str = "POST") -> bytes:
        lines = f"{method} {where} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{kind}{headers}\r\n{body}"
        return lines.encode("latin-1", "replace")

    for spelling in ("/{}", "//{}", "/./{}", "/x/../{}", "/%2e/{}", "/;a=b/{}", "/{}%00", "/{}/."):
        yield request(spelling.format(path.lstrip("/")), cookie)
    yield request(path, own + evil)
    yield request(path, evil + own)
    yield request(path, f"Authorization: Bearer junk, {target.authorization}\r\n")
    yield request(path, "Authorization: \r\n " + target.authorization + "\r\n" + evil)
    yield request(f"http://{host}{path}", cookie)
    yield request(path, "Authorization: Basic \xff\xff\r\n")
    yield request(path, f"SCRIPT_NAME: /x\r\nScript-Name: {path}\r\n" + cookie)
    # The second of two requests, hidden in the first one's body from who believes the other length.
    hidden = request(path, "").decode("latin-1")
    yield (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        f"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"
    ).encode("latin-1")


def send_raw(target: Target, row: Row, request: bytes) -> Answer:
    """Send bytes; return the first answer."""
    row.tried += 1
    began = time.monotonic()
    answer = b""
    try:
        with socket.create_connection(target.place, ANSWER_SECONDS) as plain:
            connection = plain
            if target.url.startswith("https"):
                connection = ssl.create_default_context().wrap_socket(plain, server_hostname=target.place[0])
            connection.sendall(request)
            connection.settimeout(5)
            while len(answer) < 10**6 and (part := connection.recv(65536)):
                answer += part
    except OSError:
        # To close the connection is an answer to such a request.
        pass
    row.slowest = max(row.slowest, time.monotonic() - began)
    head, _, text = answer.partition(b"\r\n\r\n")
    first = head.split(b" ", 2)
    status = int(first[1]) if len(first) > 1 and first[1].isdigit() else 0
    found = check(row, status, text.decode(errors="replace"), request)
    # Whatever the first answer was, a result behind it is one, too.
    if b'"result":' in answer:
        return Answer(200, answer.decode(errors="replace"), {"result": {}})
    return found


def expect_out(row: Row, answer: Answer, about: str) -> None:
    """Note an answer that only somebody who is known may get."""
    if answer.result is not None:
        row.got_in.append(f"{about}: {answer.text[:200]}")


def sample(target: Target, items: list[Any], share: float) -> list[Any]:
    """Return a share of some items, one at least, in their order."""
    count = max(1, round(len(items) * share))
    chosen = sorted(target.random.sample(range(len(items)), min(count, len(items))))
    return [items[position] for position in chosen]
