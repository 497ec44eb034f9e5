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
"""Which lines of a file make a Dag."""

from __future__ import annotations

import pytest

from airflow_provider_mcp.tools.shared.sources import find_dag_source, find_task_argument

FILE = """\
import pendulum
from airflow import DAG as Pipeline
from airflow.decorators import dag as pipeline, task

CHILD = "kid"

with Pipeline("by_with", schedule=None) as d1:
    go = TriggerDagRunOperator(task_id="go", trigger_dag_id=CHILD)
    go >> other

x = Pipeline(dag_id="by_name")
first = Bash(dag=x)
second = Bash(dag=x)
first >> second

x = Pipeline(dag_id="by_name_again")
third = Bash(dag=x)

@pipeline(schedule=None)
def by_function():
    @task
    def work(): ...
    work()

by_function()

@pipeline("by_decorator_name")
def named_otherwise():
    TriggerDagRunOperator(task_id="go", trigger_dag_id="somewhere")

try:
    with Pipeline(CHILD):
        pass
except ImportError:
    pass

for name in ("p", "q"):
    with Pipeline(f"sync_{name}") as each:
        Bash(name)

def make(name):
    made = Pipeline("made_" + name)
    Bash(dag=made)
    return made
"""


@pytest.mark.parametrize(
    ("dag_id", "first", "last"),
    [
        ("by_with", "with Pipeline", "    go >> other"),
        ("by_name", "x = Pipeline", "first >> second"),
        ("by_name_again", "x = Pipeline", "third = Bash(dag=x)"),
        ("by_function", "@pipeline(schedule=None)", "    work()"),
        ("by_decorator_name", '@pipeline("by_decorator_name")', "    TriggerDagRunOperator"),
        ("kid", "    with Pipeline(CHILD)", "        pass"),
    ],
)
def test_the_lines_that_make_a_dag(dag_id: str, first: str, last: str) -> None:
    found = find_dag_source(FILE, dag_id)
    lines = found.text.splitlines()
    assert lines[0].startswith(first)
    assert lines[-1].startswith(last)
    assert found.note is None
    assert lines == FILE.splitlines()[found.first - 1 : found.last]
    assert found.of == len(FILE.splitlines())


@pytest.mark.parametrize(("dag_id", "begins"), [("sync_p", "for name in"), ("made_x", "def make(name)")])
def test_of_a_factory_the_whole_file_is_given_and_its_lines_are_named(dag_id: str, begins: str) -> None:
    found = find_dag_source(FILE, dag_id)
    assert found.text == FILE.rstrip("\n")
    at = next(n for n, line in enumerate(FILE.splitlines(), 1) if line.startswith(begins))
    assert found.note is not None
    assert found.note.startswith(f"Lines {at} to ")
    assert "function or loop" in found.note


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("def broken(:", "does not parse"),
        ("load_dags(__file__)", "factory or another file"),
        ('DAG("a")\nDAG("a")', "2 places"),
        ("x = 1\n" * 200_000, "too large"),
        ("with DAG('b' + " + "'x' + " * 400 + "'y'): pass", "factory or another file"),
    ],
)
def test_where_the_lines_cannot_be_told_all_of_them_are_given_with_the_reason(source: str, says: str) -> None:
    found = find_dag_source(source, "a")
    assert (found.first, found.last) == (1, len(source.splitlines()))
    assert found.note is not None
    assert says in found.note


def test_a_task_s_argument_is_that_of_its_own_dag() -> None:
    assert find_task_argument(FILE, "by_with", "go", "trigger_dag_id") == "kid"
    assert find_task_argument(FILE, "by_with", "group.go", "trigger_dag_id") == "kid"
    assert find_task_argument(FILE, "by_decorator_name", "go", "trigger_dag_id") == "somewhere"
    # A factory's file has two tasks of this name: neither is taken for the one.
    assert find_task_argument(FILE, "sync_p", "go", "trigger_dag_id") is None
    assert find_task_argument("def broken(:", "a", "go", "trigger_dag_id") is None
