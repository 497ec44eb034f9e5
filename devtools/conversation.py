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
"""The conversation that the documentation shows: played against a running demo, and written down.

The person's and the agent's sentences are made up; every call is made, and what came back is what is shown,
less the fields that are left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator
from typing import Any

from devtools.airflow_process import ROOT, AirflowSite

PAGE = ROOT / "docs" / "conversation.rst"
RUN = "nightly"
INTRODUCTION = """\
A conversation
==============

What an agent does with the tools, from question to fix, with the Dags of ``make demo``. What the person and
the agent say is made up. The calls and what came back are real: a test plays them against a running Airflow
and compares them with this page. Fields are left out, and times and links are replaced.
"""


def prepare(site: AirflowSite) -> None:
    """Start the runs that the person will ask about."""
    site.airflow("pools", "set", "demo_full_pool", "0", "A pool without slots.")
    for dag_id in ("demo_waiting", "demo_fails"):
        site.call("trigger_dag", dag_id=dag_id, dag_run_id=RUN, unpause=True)
    site.wait("the failure", lambda: _state(site, "demo_fails") == "failed")
    site.wait("the task to be scheduled", lambda: _reason(site).startswith("The pool"))


def _state(site: AirflowSite, dag_id: str) -> str:
    run = site.call("get_dag_run", dag_id=dag_id, dag_run_id=RUN)["structuredContent"]
    return str(run.get("state"))


def _reason(site: AirflowSite) -> str:
    found = site.call("explain_waiting", dag_id="demo_waiting", dag_run_id=RUN)["structuredContent"]
    return str(found.get("reason"))


def play(site: AirflowSite) -> str:
    """Return the page, with the calls as this Airflow answers them."""
    index = PAGE.with_name("index.rst").read_text(encoding="utf-8")
    licence = index[: index.index("\n\napache-airflow-providers-mcp")]
    return "\n".join([licence, "", INTRODUCTION, *_talk(site)]).rstrip() + "\n"


def _talk(site: AirflowSite) -> Iterator[str]:
    run = {"dag_id": "demo_waiting", "dag_run_id": RUN}
    yield from _title("Why does it not run?")
    yield _person("What is demo_waiting doing? It should have been done an hour ago.")
    yield from _call(site, "explain_waiting", run, "reason", "state", "task_id")
    yield _agent("Its task waits for the pool demo_full_pool, which has no slots at all.")
    yield _person("Give it one.")
    yield from _call(site, "set_pool", {"name": "demo_full_pool", "slots": 1}, "pool")
    site.wait("the run", lambda: _state(site, "demo_waiting") == "success")
    yield from _call(site, "wait_for_dag_run", {**run, "timeout_seconds": 45}, "done", "state")
    yield _agent("It got the slot and has succeeded.")

    run = {"dag_id": "demo_fails", "dag_run_id": RUN}
    yield from _title("Why did it fail?")
    yield _person("And demo_fails?")
    yield from _call(site, "diagnose_dag_run", run, "summary", "state", "task_counts")
    log = {**run, "task_id": "transform", "grep": "has no", "tail": 1}
    yield from _call(site, "get_task_logs", log, "lines")
    yield _agent("A row of its source has no customer_id.")
    yield _person("The source is mended. Run that task again.")
    again = {**run, "task_ids": ["transform"]}
    asked = yield from _call(
        site, "clear_task_instances", again, "status", "message", "preview", "confirmation_token"
    )
    yield _agent("This would run one task again: transform. Shall I?")
    yield _person("Yes.")
    confirmed = {**again, "confirmation_token": asked["confirmation_token"]}
    yield from _call(site, "clear_task_instances", confirmed, "changed")
    yield _agent("It runs again.")


def _title(text: str) -> Iterator[str]:
    yield from (text, "-" * len(text), "")


def _person(text: str) -> str:
    return f"**You:** {text}\n"


def _agent(text: str) -> str:
    return f"**Agent:** {text}\n"


def _call(
    site: AirflowSite, tool: str, arguments: dict[str, Any], *shown: str
) -> Generator[str, None, dict[str, Any]]:
    result = site.call(tool, **arguments)
    content: dict[str, Any] = result["structuredContent"]
    yield from _block({"tool": tool, "arguments": arguments})
    found = {name: content[name] for name in shown if name in content}
    if not found:
        raise AssertionError(f"{tool} answered {result}")
    yield from _block(found)
    return content


def _block(value: dict[str, Any]) -> Iterator[str]:
    text = json.dumps(value, indent=2, ensure_ascii=False)
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)", "2026-11-27T06:00:00+00:00", text)
    text = re.sub(r"http://(127\.0\.0\.1|localhost):\d+", "https://airflow.example.com", text)
    text = re.sub(r'("(?:confirmation_token|as_of)": ")[^"]+', r"\1...", text)
    yield ".. code-block:: json\n"
    yield "\n".join(f"   {line}" for line in text.splitlines()) + "\n"
