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
"""Sixty questions in people's words, each with the facts that its answer must contain."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.questions.oracle import Fact, Question, Truth, ask, name, near, said, when

ABOVE = "the task above that decided it"


def build_questions(t: Truth) -> list[Question]:
    battery = [*_failures(t), *_skips(t), *_ends(t), *_timeouts(t), _condition(t)]
    return [
        *(replace(question, battery=True) for question in battery),
        *(*_missing(t), *_waiting(t), *_values(t), *_runs(t), *_overviews(t), *_assets(t), *_settings(t)),
    ]


def _failures(t: Truth) -> list[Question]:
    child = name("the task that failed in the triggered run", t.task_in("failed", "fault_child"))
    price = t.error("fault_child", "load_prices", "ValueError", "price list 17 has no currency")
    triggered = name("the Dag of the triggered run", "fault_child")
    awaited = name("the Dag that was waited for", "fault_external_upstream")
    table = t.error("fault_external_upstream", "extract", "LookupError", "table orders_raw is not there")
    chf = t.error("fault_raise_from", "build_report", "KeyError", "chf")
    function = Fact("the function of the traceback", r"(?<!def )\bread_rate\b(?!\()")
    files = (
        t.logged("fault_exception_group", "check_all", f"file {file} has no header", "an error of a file")
        for file in ("a.csv", "b.csv")
    )
    mapped = t.error("fault_mapped", "check", "ValueError", "partition 1 is empty")
    other = t.error("fault_mapped", "other", "RuntimeError", "not of the mapped task")
    return [
        ask("Why did the last run of the pipeline fault_child_run fail?", triggered, child, price),
        ask("The job fault_grandchild_run is red. What is the root cause?", child, price),
        ask("Why did fault_external_task not deliver its report?", awaited, table),
        ask("What is the original error behind the failure of fault_raise_from?", chf, function),
        ask("Which files were wrong when fault_exception_group failed?", *files),
        ask("What went wrong in fault_mapped, in check and beside it?", mapped, other),
    ]


def _skips(t: Truth) -> list[Question]:
    branch = t.logged("fault_branch", "choose_format", "no csv file has arrived")
    holiday = t.logged("fault_short_circuit", "is_business_day", "today is a holiday")
    rows = t.logged("fault_skip_exception", "fetch", "no new rows since yesterday")
    bucket = t.error("fault_failed_above", "download", "PermissionError", "bucket finance-raw refuses")
    rule = name("its trigger rule", "one_failed")
    failed = name(ABOVE, t.task_in("failed", "fault_failed_above"))
    stops, chooses = name(ABOVE, "is_business_day"), name(ABOVE, "choose_format")
    return [
        ask("Why was archive_csv of fault_branch skipped?", chooses, branch, task_id="archive_csv"),
        ask("Why was confirm skipped in fault_short_circuit?", stops, holiday, task_id="confirm"),
        ask("Why was store of fault_skip_exception skipped?", name(ABOVE, "fetch"), rows, task_id="store"),
        ask("Why did the task alert of fault_trigger_rule not run?", rule, task_id="alert"),
        ask("Why did publish of fault_failed_above not run?", failed, bucket, task_id="publish"),
    ]


def _ends(t: Truth) -> list[Question]:
    code = t.logged("fault_command_not_found", "convert", "127", "the exit code")
    shell = t.logged("fault_command_not_found", "convert", "no_such_converter: command not found")
    green = t.logged("fault_green_shell", "convert", "no_such_converter: command not found")
    killed = Fact("the signal", r"(?<!signal\.)SIGKILL|(?<!\w)-9\b")
    three = Fact("the number", r"(?i)(?:exit|return)[ _]?code\W{0,12}3\b|(?:code|status) 3\b")
    return [
        ask("What killed the task grow of fault_sigkill?", killed),
        ask("With which exit code did fault_exit_code end?", three),
        ask("Why did convert of fault_command_not_found fail?", code, shell),
        ask("fault_green_shell is green, but no file came out. Do its logs warn of something?", green),
    ]


def _timeouts(t: Truth) -> list[Question]:
    t.logged("fault_execution_timeout", "crunch", "AirflowTaskTimeout")
    t.logged("fault_http_timeout", "call_partner", "imed out")
    t.logged("fault_sensor_timeout", "wait_for_file", "AirflowSensorTimeout")
    # Some servers write a duration as an object: its seconds stand further away.
    dagrun = Fact("the timeout of the run", r"(?<!fault_)dag_?run_timeout.{0,90}?(?<!\d)10(?!\d)")
    task = Fact("the timeout in seconds", r"(?<!fault_)execution_timeout.{0,90}?(?<!\d)3(?!\d)")
    sensor = Fact("the error of the sensor", r"AirflowSensorTimeout|timeout of the sensor")
    seconds = Fact("its timeout in seconds", r"timeout.{0,40}?(?<!\d)3(?:\.0)?(?![\d.])")
    call = Fact("the error of the call", r"TimeoutError|timed out")
    return [
        ask("Which timeout stopped fault_execution_timeout, and how long was it?", task),
        ask("Why was crunch of fault_dagrun_timeout skipped?", dagrun, task_id="crunch"),
        ask("Why did the sensor of fault_sensor_timeout give up?", sensor, seconds),
        ask("Why did the call of fault_http_timeout fail?", call),
    ]


def _condition(t: Truth) -> Question:
    return ask(
        "Why does fault_asset_condition never start, and who makes what it waits for?",
        name("an asset of its schedule", "s3://fault/orders"),
        name("the Dag that makes the asset", "fault_asset_producer"),
        name("the task that makes the asset", t.task_in("failed", "fault_asset_producer")),
    )


def _missing(t: Truth) -> list[Question]:
    connection = t.logged("fault_missing_connection", "connect", "fault_warehouse", "the connection")
    variable = t.logged("fault_missing_variable", "configure", "fault_region", "the variable")
    template = t.logged("fault_template", "render", "has no attribute", "the error of the template")
    module = name("the import error", "fault_package_that_is_not_installed")
    return [
        ask("Why did fault_missing_connection fail?", connection),
        ask("Why did fault_missing_variable fail?", variable),
        ask("Why could the command of fault_template not be rendered?", template),
        ask("Why is the Dag fault_not_importable not showing up?", module),
    ]


def _waiting(t: Truth) -> list[Question]:
    pool = name("the pool of the task", "fault_pool")
    full = Fact("its slots", r"(?i)\bfull\b|slots\W{1,4}0\b|\b0\W{1,3}slots")
    service = t.error("fault_retrying", "call_service", "ConnectionError", "service did not answer")
    retry = name("the state of the task", "up_for_retry")
    other = name("the Dag of the run that it waits for", "fault_full_pool")
    sensor = name("the task that the run before waits in", "wait_for_file")
    limit = name("the limit of runs", "max_active_runs")
    past, first = name("the rule that holds it back", "depends_on_past"), name("the run before", "first")
    ledger = t.error("fault_past", "append", "RuntimeError", "the ledger is locked")
    orphan = name("the asset of its schedule", "s3://fault/orphan")
    nobody = Fact("the tasks that make it", r'(?i)no Dag makes|no producer|producing_tasks": ?\[\]')
    second = {"dag_run_id": "second", "task_id": "append"}
    third = "The run third of fault_behind_another is queued. What holds it back?"
    return [
        ask("Who makes the table that fault_asset_orphan waits for?", orphan, nobody),
        ask("Why is the task of fault_full_pool stuck?", pool, full),
        ask("Is fault_retrying over, or will it try again?", retry, service),
        ask("fault_waiting_child hangs. What does it wait for?", other, pool),
        ask(third, sensor, limit, dag_run_id="third"),
        ask("Why does append of the run second of fault_past not start?", past, first, ledger, **second),
    ]


def _values(t: Truth) -> list[Question]:
    returned = Fact("the value that was returned", r'(?<!return \{")rows\W{1,6}3\b')
    printed = t.logged("demo_succeeds", "extract", "extracted three rows")
    log = t.logged("fault_branch", "choose_format", "no csv file has arrived, so the json files are loaded")
    warned = t.logged("demo_fails", "transform", "row 3000 has no customer_id")
    red = t.error("fault_mapped", "other", "RuntimeError", "not of the mapped task")
    page = "runs/first/tasks/other" if t.site.home.line == 3 else "grid?dag_run_id=first&task_id=other"
    url = f"{t.site.root}/dags/fault_mapped/{page}"
    read_from_it = {"url": url, "ui_url": url, "dag_run_id": "first", "task_id": "other"}
    return [
        ask("What did the task work of fault_green return?", returned, task_id="work"),
        ask("What did the task extract of demo_succeeds print?", printed, task_id="extract"),
        ask('Which task of fault_branch wrote "no csv file" in its log?', name("it", "choose_format"), log),
        ask("What did transform of demo_fails warn of before it failed?", warned, task_id="transform"),
        ask(f"Why is this red? {url}", red, **read_from_it),
    ]


def _runs(t: Truth) -> list[Question]:
    times = "SELECT {} FROM dag_run WHERE dag_id = 'fault_execution_timeout'"
    start = when("the start", t.one(times.format("start_date")))
    end = when("the end", t.one(times.format("end_date")))
    region, days = Fact("the region", r"region\W{1,6}us\b"), near("the days", "days", 3, 6)
    note, user = said("the note", "asked for by finance"), name("the user", "admin")
    first = {"dag_run_id": "first"}
    return [
        ask("When did the last run of fault_execution_timeout start and end?", start, end),
        ask("With which conf was the run first of demo_params started?", region, days, **first),
        ask("What does the note on the run first of demo_params say?", note, **first),
        ask("Who started the run first of demo_params?", user, **first),
    ]


def _some(label: str, names: list[str]) -> tuple[Fact, ...]:
    """Return three of many names: an answer that names all has them."""
    names = sorted(names)
    return tuple(name(label, names[place]) for place in sorted({0, len(names) // 2, len(names) - 1}))


def _overviews(t: Truth) -> list[Question]:
    paused = _some("a paused Dag", t.every(f"SELECT dag_id FROM dag WHERE is_paused AND {t.active}"))  # noqa: S608
    runs = "SELECT DISTINCT dag_id FROM dag_run WHERE state = ?"
    failed = _some("a Dag whose run failed", t.every(runs, "failed"))
    running = _some("a Dag whose run is running", t.every(runs, "running"))
    tagged = _some("a Dag with the tag", t.every("SELECT dag_id FROM dag_tag WHERE name = 'demo'"))
    count = t.one("SELECT count(*) FROM task_instance WHERE state = 'failed'")
    many = near("the number of failed tasks", "failed|total_entries", count)
    price = t.error("fault_child", "load_prices", "ValueError", "price list 17 has no currency")
    retried = "SELECT {} FROM task_instance WHERE state = 'up_for_retry'"
    dag = name("the Dag of a task up_for_retry", t.one(retried.format("dag_id")))
    task = name("a task up_for_retry", t.one(retried.format("task_id")))
    files = [file.rsplit("/", 1)[-1] for file in t.every("SELECT filename FROM import_error")]
    return [
        ask("Which pipelines are paused?", *paused),
        ask("Which pipelines failed since yesterday?", *failed),
        ask("Which runs are still running?", *running),
        ask("Which pipelines have the tag demo?", *tagged, tags="demo"),
        ask("How many tasks have failed?", many),
        ask("Which error hit the most Dags today?", price),
        ask("Which tasks are up for retry?", dag, task),
        ask("Which Dag files are broken?", *_some("a file with an import error", files)),
    ]


def _assets(t: Truth) -> list[Question]:
    join = f"{t.asset}_event e JOIN {t.asset} a ON a.id = e.{t.asset}_id"
    event = t.one(f"SELECT e.timestamp FROM {join} WHERE a.uri = 's3://fault/customers'")  # noqa: S608
    customers, orders = "s3://fault/customers", "s3://fault/orders"
    consumer = name("the Dag that is scheduled by the asset", "fault_asset_condition")
    maker, last = name("the Dag that makes it", "fault_asset_producer"), when("its last event", event)
    updated = f"Who makes {customers}, and when was it last updated?"
    return [
        ask(f"Who uses the asset {orders}?", consumer, asset=orders, uri=orders),
        ask(updated, maker, last, asset=customers, uri=customers),
        ask("What comes downstream of fault_asset_producer?", consumer),
    ]


def _settings(t: Truth) -> list[Question]:
    healthy = Fact("the health of the scheduler", r"scheduler\W.{0,120}?status\W{1,6}healthy")
    slots = near("the slots", "slots", t.one("SELECT slots FROM slot_pool WHERE pool = 'fault_pool'"), 6)
    host = name("the host", t.one("SELECT host FROM connection WHERE conn_id = 'warehouse'"))
    parallelism = near("the value of the option", "parallelism", 8, 80)
    params = (name("a value of a param", "apac"), near("the limit of a param", "maximum", 31, 6))
    schedule = Fact("its schedule", r"(?i)@daily|0 0 \* \* \*")
    keys = {"conn_id": "warehouse", "connection_id": "warehouse"}
    return [
        ask("Is the scheduler healthy?", healthy),
        ask("Which version of Airflow is this?", name("the version", t.version)),
        ask("How many slots does the pool fault_pool have?", slots, pool="fault_pool"),
        ask("Which variables are defined?", *_some("a variable", t.every("SELECT key FROM variable"))),
        ask("Which host does the connection warehouse point to?", host, **keys),
        ask("What is parallelism set to?", parallelism, option="parallelism"),
        ask("Which tasks does demo_succeeds have?", name("a task", "extract"), name("a task", "load")),
        ask("Show me the source of demo_params.", Fact("the source code", r"def greet\(")),
        ask("What can I set when I start demo_params?", *params),
        ask("When does demo_asset_producer run?", schedule),
    ]
