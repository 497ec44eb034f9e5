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
"""Text that others wrote, from a real Airflow to the wire; and what a heavy result costs everybody else."""

from __future__ import annotations

import threading
import time
from typing import Any

import httpx

from airflow_provider_mcp.server.foreign_text import META_KEY, count_hidden
from tests.fixtures.foreign_text import LEFT, Payload, build_corpus
from tests.live.calling import ok
from tests.live.messages import modern
from tests.live.site import LINE, TLS, Site

HEALTH = {2: "/health", 3: "/api/v2/monitor/health"}[LINE]


def post(site: Site, tool: str, **arguments: Any) -> tuple[dict[str, Any], str]:
    """Call a tool; return its result and the whole answer as it came."""
    answer = site.post(
        modern("tools/call", name=tool, arguments=arguments),
        **{"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": tool},
    )
    assert answer.status_code == 200, answer.text
    return answer.json()["result"], answer.text


def storable(payload: Payload) -> bool:
    """Say whether a database takes the text: PostgreSQL stores no NUL."""
    return "\x00" not in payload.text


def test_nothing_hidden_and_no_secret_reaches_the_wire(site: Site) -> None:
    corpus = [payload for payload in build_corpus() if storable(payload)]
    conf = {f"p{number}": payload.text for number, payload in enumerate(corpus)}
    ok(site, "trigger_dag", dag_id="demo_many", dag_run_id="foreign", conf=conf, unpause=True)
    note = "".join(payload.text for payload in corpus if payload.kind == "instruction")[:900]
    ok(site, "set_dag_run_note", dag_id="demo_many", dag_run_id="foreign", note=note)
    result, wire = post(site, "get_dag_run", dag_id="demo_many", dag_run_id="foreign")
    data = result["structuredContent"]
    assert count_hidden(data) == 0
    assert count_hidden(result["content"][0]["text"]) == 0
    said = result["_meta"][META_KEY]
    assert said["removed_hidden_characters"] > 100
    # The tool has masked by name and form before; what a hidden character had split is left for the way out.
    assert said["masked_secrets"] >= 20
    assert {"conf", "note"} <= {field.rpartition(".")[2] for field in said["foreign_fields"]}
    for payload in corpus:
        if payload.kind == "secret":
            assert payload.gone.removeprefix(LEFT.get(payload.name.split(" split")[0], "")) not in wire, (
                payload
            )
    sentence, mark, *_, last = result["content"][0]["text"].split("\n")
    assert mark == last
    assert mark in sentence
    assert mark not in str(data)


def test_a_heavy_result_holds_up_nobody(site: Site) -> None:
    """8,000 short keys once froze the web process for 47 s, its health check included."""
    body = {f"key_{number}": f"value {number} " * 4 for number in range(8000)}
    # Airflow's description of its API is read once.
    post(site, "call_api", method="POST", path="pools", body={"name": "a"})
    slowest = 0.0
    done = threading.Event()

    def watch() -> None:
        nonlocal slowest
        while not done.is_set():
            began = time.monotonic()
            httpx.get(site.root + HEALTH, timeout=60, verify=TLS)
            slowest = max(slowest, time.monotonic() - began)
            time.sleep(0.02)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        began = time.monotonic()
        result, _ = post(site, "call_api", method="POST", path="pools", body=body)
        took = time.monotonic() - began
    finally:
        done.set()
        watcher.join()
    assert result["isError"]
    assert len(result["content"][0]["text"]) <= 40_000
    assert took < 20
    assert slowest < 5
