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
"""What keeps a Dag or a run back."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_provider_mcp.sdk import JSON, JSONObject
from airflow_provider_mcp.tools.diagnostics.bundles import describe_refresh
from airflow_provider_mcp.tools.diagnostics.statistics import seconds
from airflow_provider_mcp.tools.diagnostics.waiting_facts import Check, Facts, Row, Verdict, to_iso
from airflow_provider_mcp.tools.shared.reads import Unread


def find_last_line(trace: str | None) -> str:
    """Return the last line of a traceback that is not empty: the exception."""
    return next((line.strip() for line in reversed((trace or "").splitlines()) if line.strip()), "")


def _show_errors(errors: Sequence[Row]) -> list[JSONObject]:
    return [
        {"filename": row.get("filename"), "error": find_last_line(row.get("stack_trace"))[:300]}
        for row in errors[:5]
    ]


def check_dag_is_there(facts: Facts) -> Check | None:
    name = "dag"
    errors = facts.import_errors
    read: JSONObject = {"bundles": list(facts.bundles)} if facts.bundles else {}
    refreshed = describe_refresh(facts.bundles)
    if facts.dag is None:
        if isinstance(errors, Unread):
            return Check(name, "blocks", f"There is no Dag `{facts.dag_id}`. Import errors: {errors.why}")
        matching = [row for row in errors if _stem(row.get("filename")) == facts.dag_id]
        rows = _show_errors(matching or errors)
        if matching:
            says = f"The file named after the Dag could not be imported: {rows[0]['error']}"
        elif errors:
            says = (
                f"There is no Dag `{facts.dag_id}`. {len(errors)} file(s) could not be imported: "
                "if it is defined in one of them, that is why."
            )
        else:
            says = f"There is no Dag `{facts.dag_id}`, and no file failed to import."
        return Check(name, "blocks", says + refreshed, {"import_errors": rows, **read})
    if facts.dag.get("has_import_errors"):
        if isinstance(errors, Unread):
            says = f"Its file could not be imported. The error could not be read: {errors.why}"
            return Check(name, "blocks", says)
        matching = [row for row in errors if _same_file(facts.dag, row)]
        rows = _show_errors(matching)
        error = f": {rows[0]['error']}" if rows else ""
        says = f"Its file could not be imported{error}.{refreshed}"
        return Check(name, "blocks", says, {"import_errors": rows, **read})
    if facts.dag.get("is_stale"):
        says = "Airflow no longer finds the Dag in its file: it was removed, renamed or is not being parsed."
        where = {key: facts.dag.get(key) for key in ("fileloc", "last_parsed_time")}
        return Check(name, "blocks", says + refreshed, {**where, **read})
    return Check(name, "ok", "The Dag is there and its file was imported.")


def _stem(filename: JSON) -> str:
    return str(filename or "").replace("\\", "/").rsplit("/", 1)[-1].removesuffix(".py")


def _same_file(dag: Row, error: Row) -> bool:
    name = str(error.get("filename") or "")
    known = {str(dag.get(key)) for key in ("fileloc", "relative_fileloc") if dag.get(key)}
    return bool(name) and (name in known or any(loc.endswith(f"/{name}") for loc in known))


def check_paused(facts: Facts) -> Check | None:
    if facts.is_over or facts.dag is None:
        return None
    if facts.dag.get("is_paused"):
        return Check("paused", "blocks", f"The Dag `{facts.dag_id}` is paused.", {"is_paused": True})
    if facts.dag.get("scheduling_state") == "draining":
        drains = (
            f"The Dag `{facts.dag_id}` is draining: its unfinished runs go on, no scheduled run is created, "
            "and it is paused when they have ended."
        )
        verdict: Verdict = "blocks" if facts.run is None else "ok"
        return Check("paused", verdict, drains, {"scheduling_state": "draining"})
    return Check("paused", "ok", "The Dag is not paused.")


def check_schedule(facts: Facts) -> Check | None:
    name = "schedule"
    dag = facts.dag
    if dag is None:
        return None
    if facts.run is not None:
        due = seconds(facts.run.get("run_after"))
        if facts.run.get("state") == "queued" and due is not None and due > facts.now:
            says = f"The run is not due: it may start after {facts.run.get('run_after')}."
            return Check(name, "blocks", says, {"run_after": facts.run.get("run_after")})
        return None
    summary = dag.get("timetable_summary")
    start, due = seconds(dag.get("start_date")), seconds(dag.get("next_dagrun_run_after"))
    evidence = {
        "schedule": summary,
        "start_date": dag.get("start_date"),
        "next_run_after": dag.get("next_dagrun_run_after"),
        "now": to_iso(facts.now),
    }
    if start is not None and start > facts.now:
        due_text = f", and its first run is due at {dag.get('next_dagrun_run_after')}" if due else ""
        says = f"The Dag's start date is in the future ({dag.get('start_date')}){due_text}."
        return Check(name, "blocks", says, evidence)
    if not summary:
        says = "The Dag has no schedule: it runs only when it is triggered."
        return Check(name, "blocks", says, evidence)
    if due is None:
        if dag.get("asset_expression") or dag.get("dataset_expression"):
            return _check_assets(facts)
        end = seconds(dag.get("end_date"))
        if end is not None and end < facts.now:
            says = f"The Dag's end date has passed ({dag.get('end_date')})."
            return Check(name, "blocks", says, {"end_date": dag.get("end_date")})
        says = "Airflow has planned no next run for it."
        return Check(name, "blocks", says, evidence)
    if due > facts.now:
        says = f"The next run is due at {dag.get('next_dagrun_run_after')}."
        return Check(name, "blocks", says, evidence)
    return Check(name, "ok", f"A run is due since {dag.get('next_dagrun_run_after')}.", evidence)


def _check_assets(facts: Facts) -> Check:
    name = "schedule"
    if isinstance(facts.assets, Unread):
        says = f"The Dag is scheduled by assets; which ones could not be read: {facts.assets.why}"
        return Check(name, "blocks", says)
    if facts.assets is None or not facts.assets.assets:
        says = "The Dag is scheduled by assets: it runs when they are updated."
        return Check(name, "blocks", says, {"schedule": (facts.dag or {}).get("timetable_summary")})
    return Check(name, "blocks", facts.assets.describe(), facts.assets.show())


def check_max_active_runs(facts: Facts) -> Check | None:
    name = "max_active_runs"
    if facts.dag is None or facts.running is None or facts.is_over:
        return None
    if facts.run is not None and facts.run.get("state") != "queued":
        return None
    most = facts.dag.get("max_active_runs")
    if isinstance(facts.running, Unread):
        return Check(name, "unknown", facts.running.why)
    total, some = facts.running
    evidence = {
        "max_active_runs": most,
        "running": total,
        "runs": [row.get("dag_run_id") for row in some[:5]],
    }
    if facts.backfill is not None:
        most = facts.backfill.get("max_active_runs")
        evidence = {**evidence, "max_active_runs": most, "of": f"backfill {facts.backfill.get('id')}"}
    if most and total >= most:
        of = "of its backfill" if facts.backfill is not None else "of the Dag"
        says = f"{total} run(s) {of} are running, and max_active_runs is {most}."
        if facts.behind is not None:
            says += f" The oldest, `{facts.behind['dag_run_id']}`: {facts.behind['reason']}"
            evidence["oldest"] = {key: value for key, value in facts.behind.items() if key != "reason"}
        return Check(name, "blocks", says, evidence)
    return Check(name, "ok", f"{total} of at most {most} runs are running.", evidence)


def check_backfill(facts: Facts) -> Check | None:
    """Say if the backfill of a queued run keeps it back: of a paused one, Airflow starts no run."""
    name = "backfill"
    if facts.backfill is None or facts.run is None or facts.run.get("state") != "queued":
        return None
    which = f"The backfill {facts.backfill.get('id')} of this run"
    names = ("id", "from_date", "to_date", "is_paused", "completed_at", "max_active_runs")
    evidence = {key: facts.backfill.get(key) for key in names}
    if not facts.backfill.get("is_paused"):
        return Check(name, "ok", f"{which} is not paused.", evidence)
    if facts.backfill.get("completed_at"):
        says = (
            f"{which} ended at {facts.backfill['completed_at']} and stays paused: a run that is cleared "
            "out of it is never started. Delete the run and trigger its date again."
        )
        return Check(name, "blocks", says, evidence)
    return Check(name, "blocks", f"{which} is paused.", evidence)
