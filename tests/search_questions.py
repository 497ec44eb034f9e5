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
"""What people ask, by the tool that answers: for tests of how tools are found."""

from __future__ import annotations

QUESTIONS: dict[str, list[str]] = {
    "list_dags": [
        "which pipelines do we have",
        "show me all paused workflows",
        "what jobs does the sales team own",
    ],
    "get_dag": ["show me the source code of this pipeline", "what is the schedule of the orders job"],
    "pause_dag": ["turn off the nightly job", "disable the schedule of this pipeline"],
    "unpause_dag": ["enable the pipeline again", "turn the job back on"],
    "reparse_dag": ["I changed the dag file, reload it", "refresh the code of my dag"],
    "delete_dag": ["remove this old pipeline for good", "delete the dag and its history"],
    "list_dag_runs": ["which runs failed today", "history of runs of the orders pipeline"],
    "get_dag_run": ["what is the status of this run", "is the run done yet"],
    "wait_for_dag_run": ["wait until the run is finished", "watch the run and tell me when it ends"],
    "trigger_dag": [
        "kick off the report job now",
        "run the pipeline with these parameters",
        "launch the etl",
    ],
    "set_dag_run_note": ["leave a comment on this run", "add a note to the run"],
    "clear_dag_run": ["rerun the whole run", "retry everything that failed in that run"],
    "set_dag_run_state": ["kill the running run", "mark this run as successful", "abort the run"],
    "delete_dag_run": ["delete this one run", "get rid of a single run"],
    "list_task_instances": ["which tasks are running right now", "which tasks failed in this run"],
    "get_task_instance": [
        "how many tries did this task need",
        "what were the rendered templates of the step",
    ],
    "get_task_logs": ["show me the log of the task", "what did the task print", "give me the stack trace"],
    "search_logs": [
        "search all logs of the run for a text",
        "which task wrote this message in its log",
    ],
    "get_xcom": ["what value did the task return", "show the output that the task pushed"],
    "clear_task_instances": ["retry the failed task", "restart only this one step"],
    "set_task_instance_state": ["mark the task as success", "mark this task as skipped"],
    "list_hitl": ["what is waiting for my approval", "are there pending human decisions"],
    "respond_to_hitl": ["approve the waiting task", "reject the request of that task"],
    "list_assets": ["which datasets are there", "who produces and who consumes this table"],
    "list_asset_events": ["when was the dataset last updated", "which task updated the dataset"],
    "create_asset_event": ["tell airflow that the dataset was updated", "record that the asset changed"],
    "materialize_asset": ["rebuild the dataset", "refresh this asset"],
    "list_backfills": ["how far is the backfill", "which backfills are in progress"],
    "create_backfill": ["reprocess last week", "run the dag for past dates", "catch up the missed days"],
    "update_backfill": ["stop the backfill", "cancel that backfill"],
    "get_airflow_info": ["which version of airflow is this", "which providers are installed"],
    "get_config": ["what is parallelism set to", "which executor is configured"],
    "list_event_logs": ["who paused this dag", "who deleted the connection", "audit log of yesterday"],
    "list_pools": ["how many slots are free", "is a pool full"],
    "set_pool": ["raise the number of slots of the pool", "allow more tasks of the pool at once"],
    "delete_pool": ["remove the pool"],
    "list_variables": ["what variables are defined", "names of all variables"],
    "get_variable": ["read the value of the variable", "what is stored in the variable"],
    "set_variable": ["change the value of a variable", "update the variable"],
    "delete_variable": ["remove a variable"],
    "list_connections": ["which databases are set up", "show all connections"],
    "set_connection": ["update the password of the connection", "create a connection to the warehouse"],
    "delete_connection": ["remove the connection"],
    "test_connection": ["can airflow reach the database", "does the connection work"],
    "get_system_health": ["is the scheduler up", "is airflow healthy", "is anything broken right now"],
    "list_import_errors": ["why is my dag not showing up", "which dag files are broken", "my dag is missing"],
    "diagnose_dag_run": [
        "why did it fail",
        "root cause of the failed run",
        "what went wrong in last night's run",
    ],
    "explain_waiting": ["why is the task stuck", "why does my dag not start", "the run is queued and hangs"],
    "find_failures": [
        "what broke overnight",
        "what failed since yesterday",
        "most common errors across all dags",
    ],
    "analyze_dag": [
        "is the pipeline getting slower",
        "how long does the job usually take",
        "which tasks are flaky",
    ],
    "compare_dag_runs": [
        "what is different between these two runs",
        "compare the failed run with the good one",
    ],
    "trace_lineage": [
        "what breaks downstream if I change this table",
        "which pipelines depend on this one",
        "what is upstream of the report dag",
    ],
    "resolve_url": ["what is this link about https://airflow/dags/x", "I pasted a url from the ui"],
    "search_api": ["is there an endpoint for this in the REST API"],
    "call_api_read": ["GET an operation of the REST API"],
}
"""None is made from a description."""
