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
"""What ``make bench-limits`` counts, with answers that are made up."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import anyio
import pytest

from benchmarks.callers import Crowd, beside, name_answer, time_each

LIMITED = '{"result":{"isError":true,"structuredContent":{"code":"rate_limited"}}}'


@pytest.mark.parametrize(
    ("status", "text", "name"),
    [
        (200, '{"result":{"isError":false}}', "ok"),
        (200, '{"dags":[]}', "ok"),
        (200, LIMITED, "rate_limited"),
        (200, '{"result":{"isError":true,"structuredContent":{"code":"not_found"}}}', "error"),
        (503, LIMITED, "HTTP 503"),
    ],
)
def test_answers_are_told_apart(status: int, text: str, name: str) -> None:
    assert name_answer(status, text) == name


@contextmanager
def answering(*texts: str) -> Iterator[str]:
    """Answer these one after the other, then the last one again and again; yield the address."""
    left = list(texts)

    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            text = (left.pop(0) if len(left) > 1 else left[0]).encode()
            self.send_response_only(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its base's name
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_each_of_a_crowd_calls_as_often_as_it_shall() -> None:
    with answering("{}", "{}", LIMITED) as url:
        crowd = Crowd({"method": "GET", "url": url}, "Bearer a", clients=3, rounds=2)
        assert anyio.run(crowd.send_all) == Counter(ok=2, rate_limited=4)


def test_a_crowd_that_is_not_answered_is_counted() -> None:
    with answering("{}") as url:
        pass
    crowd = Crowd({"method": "GET", "url": url}, "Bearer a", clients=2, rounds=1)
    assert anyio.run(crowd.send_all) == Counter(ConnectError=2)


def test_others_are_timed_as_long_as_a_crowd_goes_on() -> None:
    answers = Counter[str]()
    with answering("{}") as url:
        crowd = Crowd({"method": "GET", "url": url}, "Bearer a", clients=2, pause=0.1, seconds=3)
        with beside(crowd, answers) as goes_on:
            took = time_each(lambda: None, 0.05, goes_on)
    assert len(took) > 5
    assert set(answers) == {"ok"}
    assert answers["ok"] > 4
