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
"""What is true of the seeded Airflow, and how an answer is checked for it.

Facts are read from the metadata database, and from the log files of tasks: never through a tool.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from importlib.metadata import version

from devtools.airflow_process import ROOT, AirflowSite
from devtools.planting import FAULTS as FAULT_DAGS
from devtools.planting import plant, read, start

DEMO_DAGS = ROOT / "examples" / "dags"
UNDECIDED = ("queued", "restarting", "running", "scheduled")
STAY = {"fault_full_pool.work", "fault_waiting_child.run_child"}
"""Tasks that wait for good; each other one ends."""
NOT_STARTED = {
    "airflow_names",
    "asset_condition",
    "asset_orphan",
    "child",
    "external_upstream",
    "not_importable",
}
FAULTS = sorted({file.stem for file in FAULT_DAGS.glob("*.py")} - NOT_STARTED)


def plain(answer: str) -> str:
    """Return an answer as a person reads it: on one line, without JSON's escapes."""
    return " ".join(answer.replace("\\n", " ").replace("\\", "").split())


@dataclass(frozen=True)
class Fact:
    """What an answer must contain.

    :param label: What it is, in words that do not tell it.
    """

    label: str
    pattern: str
    _compiled: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_compiled", re.compile(self.pattern))

    def is_in(self, text: str) -> bool:
        return self._compiled.search(text) is not None


@dataclass(frozen=True)
class Question:
    """What a person asks.

    :param known: What the question names, by the names that fields have for it.
    :param battery: Whether it is one of the twenty about faults.
    """

    text: str
    known: dict[str, str]
    facts: tuple[Fact, ...]
    battery: bool = False


def ask(text: str, *facts: Fact, **known: str) -> Question:
    """Return a question; the Dag that it names is known."""
    dags: list[str] = re.findall(r"\b(?:fault_(?!pool)|demo_)\w+", text)
    return Question(text, {"dag_id": dags[0], **known} if dags else known, facts)


def name(label: str, value: str) -> Fact:
    """A name, as a whole word."""
    return Fact(label, rf"(?<!\w){re.escape(value)}(?!\w)")


def near(label: str, word: str, value: object, span: int = 40) -> Fact:
    """A value that stands beside a word, before or after it."""
    found = rf"(?<![\w.]){re.escape(str(value))}(?!\w)"
    return Fact(label, rf"(?:{word}).{{0,{span}}}?{found}|{found}.{{0,{span}}}?(?:{word})")


def said(label: str, text: str) -> Fact:
    """What a log says; the source code that would write it is no evidence."""
    return Fact(label, rf"(?<!\([\"'])(?<!\(f[\"']){re.escape(text)}")


def when(label: str, moment: str) -> Fact:
    """A time, to the second."""
    return Fact(label, re.escape(moment[:10]) + "[T ]" + re.escape(moment[11:19]))


@dataclass(frozen=True)
class Truth:
    """What the database and the log files say."""

    site: AirflowSite

    @property
    def active(self) -> str:
        """The condition of a Dag that is still in its file."""
        return "NOT is_stale" if self.site.home.line == 3 else "is_active"

    @property
    def asset(self) -> str:
        """The table of assets."""
        return "asset" if self.site.home.line == 3 else "dataset"

    @property
    def version(self) -> str:
        return version("apache-airflow")

    def every(self, query: str, *values: str) -> list[str]:
        return [str(value) for (value,) in read(self.site, query, *values)]

    def one(self, query: str, *values: str) -> str:
        (found,) = self.every(query, *values)
        return found

    def task_in(self, state: str, dag_id: str) -> str:
        """Return the one task of a Dag in this state."""
        query = "SELECT DISTINCT task_id FROM task_instance WHERE state = ? AND dag_id = ?"
        return self.one(query, state, dag_id)

    def logged(self, dag_id: str, task_id: str, text: str, label: str = "what the log says") -> Fact:
        """Return the fact that a task's log says this, which it does."""
        self._check_log(dag_id, task_id, text)
        return said(label, text)

    def error(self, dag_id: str, task_id: str, kind: str, message: str) -> Fact:
        """Return the fact that a task failed with this error, as its log says."""
        self._check_log(dag_id, task_id, kind)
        self._check_log(dag_id, task_id, message)
        # Numbers may be written as `#`, where one error stands for many.
        words = re.sub(r"\d+", r"(?:\\d+|#)", re.escape(message))
        return Fact("the error and its cause, why it failed", rf"{kind}(?!\().{{0,80}}?{words}")

    def _check_log(self, dag_id: str, task_id: str, text: str) -> None:
        logs = (self.site.folder / "logs" / f"dag_id={dag_id}").glob(f"run_id=*/task_id={task_id}/**/*.log")
        if not any(text in plain(log.read_text(encoding="utf-8")) for log in logs):
            raise AssertionError(f"no log of {dag_id}.{task_id} says {text!r}")


def seed(site: AirflowSite) -> None:
    """Plant the faults and more, and wait until nothing moves."""
    site.airflow("variables", "set", "shop_region", "emea")
    site.airflow(
        *("connections", "add", "warehouse", "--conn-type", "generic", "--conn-host", "db.shop.example")
    )
    plant(site, FAULTS)
    for dag_id in ("demo_fails", "demo_succeeds", "demo_mapped"):
        start(site, dag_id)
    start(site, "demo_params", conf={"region": "us", "days": 3}, note="asked for by finance")
    quiet = 0
    end = time.monotonic() + 300
    while quiet < 5:
        site.check()
        if time.monotonic() > end:
            raise AssertionError(f"still at work: {moving(site)}")
        quiet = 0 if moving(site) else quiet + 1
        time.sleep(1)


def moving(site: AirflowSite) -> set[str]:
    """Return the tasks that will end, and have not."""
    marks = ", ".join("?" * len(UNDECIDED))
    # A run that has just begun has tasks without a state; so has one that waits for its past, for good.
    query = f"""
        SELECT i.dag_id || '.' || i.task_id FROM task_instance i
        JOIN dag_run r ON r.dag_id = i.dag_id AND r.run_id = i.run_id
        WHERE r.state = 'running' AND (i.state IN ({marks}) OR i.state IS NULL)
            AND NOT (i.dag_id = 'fault_past' AND i.run_id = 'second')
    """  # noqa: S608
    found = {str(task) for (task,) in read(site, query, *UNDECIDED)}
    runs = read(
        site, "SELECT dag_id FROM dag_run WHERE state = 'queued' AND dag_id != 'fault_behind_another'"
    )
    return found - STAY | {str(dag) for (dag,) in runs}
