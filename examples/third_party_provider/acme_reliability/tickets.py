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
"""Tools, a resource and a prompt about tickets: what they do outside Airflow, they do by a service account.

The ticket service knows nothing of the caller's permissions in Airflow. So each function first asks Airflow,
as the caller, for what it is about: who may not see the Dag is refused there.
"""

from __future__ import annotations

from typing import Annotated

import httpx
from airflow.exceptions import AirflowNotFoundException
from airflow.hooks.base import BaseHook
from anyio import to_thread
from pydantic import Field

from airflow_provider_mcp.sdk import (
    JSON,
    Airflow,
    Arguments,
    JSONObject,
    PermissionDenied,
    Prompt,
    Resource,
    Result,
    Toolset,
    Unavailable,
    hookimpl,
    path,
    tool,
)


class TicketsHook(BaseHook):
    """The ticket service, by the Airflow connection ``acme_tickets``, as tasks reach it, too."""

    def get_conn(self) -> httpx.Client:
        connection = self.get_connection("acme_tickets")
        port = f":{connection.port}" if connection.port else ""
        return httpx.Client(
            base_url=f"{connection.schema or 'https'}://{connection.host}{port}",
            headers={"Authorization": f"Bearer {connection.password}"},
            timeout=10,
        )

    def ask(self, method: str, route: str, **options: JSON) -> JSONObject:
        with self.get_conn() as client:
            response = client.request(method, route, **options)
            response.raise_for_status()
            answer: JSONObject = response.json()
            return answer


async def ask_tickets(method: str, route: str, **options: JSON) -> JSONObject:
    """Ask the service in a thread, since a hook blocks; its faults are told without its own words."""
    try:
        return await to_thread.run_sync(lambda: TicketsHook().ask(method, route, **options))
    except AirflowNotFoundException as missing:
        raise Unavailable(
            "This Airflow has no connection acme_tickets.",
            hint="An administrator adds it: the service's host, and its token as the password.",
        ) from missing
    except httpx.HTTPError as failure:
        raise Unavailable(
            f"The ticket service does not answer ({type(failure).__name__}).",
            hint="Try again later, or look at the connection acme_tickets.",
        ) from failure


DagId = Annotated[str, Field(description="The Dag ID.")]


class Tickets(Result):
    tickets: list[JSONObject]


@tool(access="read", open_world=True, keywords=["incident", "issue"])
async def search_tickets(dag_id: DagId, airflow: Airflow) -> Tickets:
    """Search the open tickets about a Dag."""
    await airflow.get(path("dags/{}", dag_id))
    answer = await ask_tickets("GET", "/tickets", params={"dag": dag_id, "state": "open"})
    return Tickets(tickets=answer["tickets"])


class Ticket(Result):
    ticket: str


@tool(access="write", open_world=True)
async def create_ticket(
    dag_id: DagId, text: Annotated[str, Field(description="What happened.")], airflow: Airflow
) -> Ticket:
    """Create a ticket about a Dag."""
    # Reading is not enough for this one: who may start a run of the Dag answers for it.
    if dag_id not in await airflow.find_triggerable([dag_id]):
        raise PermissionDenied(
            f"You may not run {dag_id}, so you may not create a ticket about it.", hint="Ask its owners."
        )
    answer = await ask_tickets("POST", "/tickets", json={"dag": dag_id, "text": text})
    return Ticket(ticket=answer["id"])


class Close(Arguments):
    dag_id: DagId


class Closed(Result):
    closed: int


async def preview_close(close: Close, airflow: Airflow) -> JSONObject:
    found = await search_tickets(close.dag_id, airflow)
    return {"closes": [ticket["id"] for ticket in found.tickets]}


@tool(access="destructive", open_world=True, preview=preview_close)
async def delete_tickets(close: Close, airflow: Airflow) -> Closed:
    """Delete the open tickets about a Dag for good."""
    if close.dag_id not in await airflow.find_triggerable([close.dag_id]):
        raise PermissionDenied(f"You may not run {close.dag_id}.", hint="Ask its owners.")
    answer = await ask_tickets("DELETE", "/tickets", params={"dag": close.dag_id, "state": "open"})
    return Closed(closed=answer["deleted"])


async def read_tickets(airflow: Airflow, dag_id: str) -> JSON:
    return (await search_tickets(dag_id, airflow)).model_dump(mode="json")


def write_report(dag_id: DagId) -> str:
    return (
        f"Find out why {dag_id} failed, look for open tickets about it, and write a report of five sentences."
    )


@hookimpl
def register_toolsets() -> list[Toolset]:
    return [Toolset("tickets", "Tickets about Dags.", [search_tickets, create_ticket, delete_tickets])]


@hookimpl
def register_resources() -> list[Resource]:
    return [
        Resource(
            "acme://tickets/{dag_id}",
            "tickets",
            "The open tickets about a Dag.",
            read_tickets,
            tools=["search_tickets"],
        )
    ]


@hookimpl
def register_prompts() -> list[Prompt]:
    return [
        Prompt("report_incident", "Report what happened to a Dag.", write_report, tools=["search_tickets"])
    ]
