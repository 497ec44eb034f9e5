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
"""What the official conformance suite calls, as a third-party provider would add it."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import time
import uuid
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field

from airflow_provider_mcp.sdk import (
    Airflow,
    Audio,
    Client,
    Content,
    Embedded,
    Form,
    Image,
    Job,
    JobStarted,
    JobState,
    Message,
    Prompt,
    Resource,
    Roots,
    Sampling,
    ToolError,
    Toolset,
    hookimpl,
    tool,
)

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
)
WAV = base64.b64decode("UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAD//w==")
SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}


class Said(BaseModel):
    said: Any


def form(message: str, **fields: str) -> Form:
    """A form of required fields, each of the type that is given."""
    properties = {name: {"type": kind} for name, kind in fields.items()}
    return Form(message, {"type": "object", "properties": properties, "required": list(fields)})


# ---- results -----------------------------------------------------------------------------------------


@tool(access="read")
async def test_simple_text() -> Content:
    """Return a text."""
    return Content(["This is a simple text response for testing."])


@tool(access="read")
def test_image_content() -> Content:
    """Return a picture."""
    return Content([Image(PNG)])


@tool(access="read")
async def test_audio_content() -> Content:
    """Return a sound."""
    return Content([Audio(WAV)])


@tool(access="read")
async def test_embedded_resource() -> Content:
    """Return a resource."""
    return Content([Embedded("test://embedded-resource", "This is an embedded resource content.")])


@tool(access="read")
async def test_multiple_content_types() -> Content:
    """Return a text, a picture and a resource."""
    resource = Embedded("test://mixed-content-resource", '{"test":"data","value":123}', "application/json")
    return Content(["Multiple content types test:", Image(PNG), resource])


@tool(access="read")
async def test_error_handling() -> Content:
    """Fail."""
    raise ToolError("conflict", "This tool intentionally returns an error for testing")


@tool(access="read")
async def test_tool_with_progress(client: Client) -> Content:
    """Report progress."""
    for done in (0, 50, 100):
        await client.progress(done, 100)
        await asyncio.sleep(0.05)
    return Content(["Done."])


@tool(access="read")
async def test_tool_with_logging(client: Client) -> Content:
    """Send log messages."""
    for message in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await client.log("info", message)
        await asyncio.sleep(0.05)
    return Content(["Done."])


@tool(access="read")
async def test_logging_tool(client: Client) -> Content:
    """Send a log message."""
    await client.log("info", "Called.")
    return Content(["Done."])


@tool(access="read", input_schema=SCHEMA)
async def json_schema_2020_12_tool(arguments: dict[str, Any]) -> Said:
    """Take what only JSON Schema 2020-12 can say."""
    return Said(said=arguments)


@tool(access="read")
async def test_custom_header(
    region: Annotated[str, Field(description="Region.", json_schema_extra={"x-mcp-header": "Region"})],
) -> Said:
    """Take an argument that a header repeats."""
    return Said(said=region)


# ---- questions ---------------------------------------------------------------------------------------


@tool(access="read")
async def test_input_required_result_elicitation(client: Client) -> Said:
    """Ask for a name."""
    return Said(said=client.ask(user_name=form("What is your name?", name="string")))


@tool(access="read")
async def test_input_required_result_sampling(client: Client) -> Said:
    """Ask the client's model."""
    return Said(said=client.ask(capital_question=Sampling("What is the capital of France?", 100)))


@tool(access="read")
async def test_input_required_result_list_roots(client: Client) -> Said:
    """Ask for the client's folders."""
    return Said(said=client.ask(client_roots=Roots()))


@tool(access="read")
async def test_input_required_result_request_state(client: Client) -> Content:
    """Ask for a confirmation."""
    client.ask(confirm=form("Please confirm", ok="boolean"))
    return Content(["state-ok"])


@tool(access="read")
async def test_input_required_result_tampered_state(client: Client) -> Content:
    """Ask for a confirmation."""
    client.ask(confirm=form("Please confirm", ok="boolean"))
    return Content(["state-ok"])


@tool(access="read")
async def test_input_required_result_multiple_inputs(client: Client) -> Said:
    """Ask for three things at once."""
    answers = client.ask(
        user_name=form("What is your name?", name="string"),
        greeting=Sampling("Generate a greeting", 50),
        client_roots=Roots(),
    )
    return Said(said=answers)


@tool(access="read")
async def test_input_required_result_multi_round(client: Client) -> Said:
    """Ask twice."""
    name = client.ask(step1=form("Step 1: What is your name?", name="string"))
    color = client.ask(step2=form("Step 2: What is your favorite color?", color="string"))
    return Said(said={**name, **color})


@tool(access="read")
async def test_input_required_result_capabilities(client: Client) -> Said:
    """Ask whatever the client answers."""
    if client.can_answer(Form):
        return Said(said=client.ask(user_name=form("What is your name?", name="string")))
    return Said(said=client.ask(greeting=Sampling("Generate a greeting", 50)))


@tool(access="read")
async def test_missing_capability(client: Client) -> Said:
    """Ask the client's model."""
    return Said(said=client.ask(greeting=Sampling("Generate a greeting", 50)))


@tool(access="read")
async def test_streaming_elicitation(client: Client) -> Said:
    """Report progress, then ask."""
    await client.progress(1, 2)
    return Said(said=client.ask(user_name=form("What is your name?", name="string")))


@tool(access="read")
async def test_sampling(client: Client, prompt: Annotated[str, Field(description="Prompt.")]) -> Said:
    """Ask the client's model."""
    return Said(said=client.ask(answer=Sampling(prompt, 100)))


@tool(access="read")
async def test_elicitation(client: Client, message: Annotated[str, Field(description="Message.")]) -> Said:
    """Ask the user."""
    return Said(said=client.ask(answer=form(message, username="string", email="string")))


# ---- jobs --------------------------------------------------------------------------------------------
# A job is a file. Jobs go on by the clock, so that any process can say how one stands.


def job_file(job_id: str) -> Path:
    return Path(os.environ["MCP_CONFORMANCE_JOBS"]) / f"{job_id}.json"


def start_job(**facts: Any) -> JobStarted:
    job_id = uuid.uuid4().hex
    job_file(job_id).write_text(json.dumps({"until": time.time(), "answers": {}, **facts}))
    return JobStarted({"job_id": job_id})


def change_job(job_id: str, **changes: Any) -> None:
    held = json.loads(job_file(job_id).read_text())
    job_file(job_id).write_text(json.dumps({**held, **changes}))


async def get_job(job_id: str) -> JobState:
    held = json.loads(job_file(job_id).read_text())
    if held.get("cancelled"):
        return JobState("cancelled")
    asked = held.get("questions", {})
    left = {
        name: form(text, confirm="boolean") for name, text in asked.items() if name not in held["answers"]
    }
    if left:
        return JobState("input_required", questions=left)
    if time.time() < held["until"]:
        return JobState("working")
    if held.get("breaks"):
        return JobState("failed", error="The job broke.")
    return JobState("completed", result=Content([held["text"]]), failed=held.get("fails", False))


async def cancel_job(job_id: str) -> None:
    if (await get_job(job_id)).status in {"working", "input_required"}:
        change_job(job_id, cancelled=True)


async def answer_job(job_id: str, answers: dict[str, Any]) -> None:
    held = json.loads(job_file(job_id).read_text())
    change_job(job_id, answers={**held["answers"], **answers})


JOB = Job(get=get_job, cancel=cancel_job, answer=answer_job, poll_seconds=0.2)
REQUIRED = Job(get=get_job, cancel=cancel_job, required=True, poll_seconds=0.2)


@tool(access="read")
async def greet(name: Annotated[str, Field(description="Name.")]) -> Content:
    """Greet."""
    return Content([f"Hello, {name}!"])


@tool(access="write", job=JOB)
async def slow_compute(
    client: Client,
    seconds: Annotated[float, Field(description="Seconds.")] = 1,
    label: Annotated[str, Field(description="Label.")] = "",
) -> Content | JobStarted:
    """Compute for some seconds."""
    if client.takes_jobs:
        return start_job(until=time.time() + seconds, text=f"Computed {label}.")
    await asyncio.sleep(min(seconds, 5))
    return Content([f"Computed {label}."])


@tool(access="write", job=REQUIRED)
async def failing_job() -> Content | JobStarted:
    """Fail after a second."""
    return start_job(until=time.time() + 1, fails=True, text="The job failed.")


@tool(access="write", job=REQUIRED)
async def protocol_error_job() -> Content | JobStarted:
    """Break off."""
    return start_job(breaks=True)


@tool(access="write", job=JOB)
async def confirm_delete(
    client: Client, filename: Annotated[str, Field(description="File.")] = ""
) -> Content | JobStarted:
    """Delete a file, after the user has agreed."""
    if not client.takes_jobs:
        raise ToolError("unsupported", "This tool needs a client that takes tasks.")
    return start_job(questions={"confirm": f"Delete {filename}?"}, text=f"Deleted {filename}.")


@tool(access="write", job=JOB)
async def multi_input(client: Client) -> Content | JobStarted:
    """Ask two things at once."""
    if not client.takes_jobs:
        raise ToolError("unsupported", "This tool needs a client that takes tasks.")
    return start_job(questions={"first": "Go on?", "second": "And on?"}, text="Went on.")


@tool(access="write", job=REQUIRED)
async def test_tool_with_task(client: Client) -> Content | JobStarted:
    """Ask for a name, then greet in a job."""
    name = client.ask(user_name=form("What is your name?", name="string"))["user_name"]["content"]["name"]
    return start_job(until=time.time() + 0.5, text=f"Hello, {name}!")


@tool(access="read")
async def wait_until_gone(
    client: Client, note: Annotated[str, Field(description="File to note the end in.")]
) -> Said:
    """Wait for the client to go away; not what the suite calls, but the tests of cancellation."""
    try:
        for second in range(40):
            await client.progress(second)
            await asyncio.sleep(1)
    except asyncio.CancelledError:
        job_file(note).write_text("stopped")
        raise
    job_file(note).write_text("finished")
    return Said(said="finished")


@tool(access="read")
async def test_elicitation_sep1034_defaults(client: Client) -> Said:
    """Ask with defaults."""
    fields = {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "default": True},
    }
    return Said(said=client.ask(person=Form("Who?", {"type": "object", "properties": fields})))


@tool(access="read")
async def test_elicitation_sep1330_enums(client: Client) -> Said:
    """Ask to choose."""
    values = [{"const": f"value{n}", "title": f"Option {n}"} for n in (1, 2, 3)]
    fields = {
        "untitledSingle": {"type": "string", "enum": ["option1", "option2", "option3"]},
        "titledSingle": {"type": "string", "oneOf": values},
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": ["option1", "option2"]}},
        "titledMulti": {"type": "array", "items": {"anyOf": values}},
    }
    return Said(said=client.ask(choice=Form("Which?", {"type": "object", "properties": fields})))


# ---- prompts and resources ---------------------------------------------------------------------------


def test_simple_prompt() -> str:
    return "This is a simple prompt for testing."


def test_prompt_with_arguments(
    arg1: Annotated[str, Field(description="First test argument.")],
    arg2: Annotated[str, Field(description="Second test argument.")],
) -> str:
    return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"


def test_prompt_with_embedded_resource(
    resourceUri: Annotated[str, Field(description="The resource's URI.")],  # noqa: N803 - the suite's name
) -> list[Message]:
    embedded = Embedded(resourceUri, "Embedded resource content for testing.")
    return [Message(embedded), Message("Please process the embedded resource above.")]


async def test_prompt_with_image() -> list[Message]:
    return [Message(Image(PNG)), Message("Please analyze the image above.")]


def test_input_required_result_prompt(client: Client) -> str:
    answer = client.ask(user_context=form("What context?", context="string"))["user_context"]
    return f"Use this context: {answer['content']}"


async def read_text(_: Airflow) -> str:
    return "This is the content of the static text resource."


async def read_binary(_: Airflow) -> bytes:
    return PNG


async def read_template(_: Airflow, id: str) -> dict[str, Any]:  # noqa: A002 - the name in the address
    return {"id": id, "templateTest": True, "data": f"Data for ID: {id}"}


@hookimpl
def register_toolsets() -> list[Toolset]:
    return [
        Toolset(
            "conformance",
            "What the conformance suite calls.",
            [
                test_simple_text,
                test_image_content,
                test_audio_content,
                test_embedded_resource,
                test_multiple_content_types,
                test_error_handling,
                test_tool_with_progress,
                test_tool_with_logging,
                test_logging_tool,
                json_schema_2020_12_tool,
                test_custom_header,
                test_input_required_result_elicitation,
                test_input_required_result_sampling,
                test_input_required_result_list_roots,
                test_input_required_result_request_state,
                test_input_required_result_tampered_state,
                test_input_required_result_multiple_inputs,
                test_input_required_result_multi_round,
                test_input_required_result_capabilities,
                test_missing_capability,
                test_streaming_elicitation,
                test_sampling,
                test_elicitation,
                greet,
                slow_compute,
                failing_job,
                protocol_error_job,
                confirm_delete,
                multi_input,
                test_tool_with_task,
                test_elicitation_sep1034_defaults,
                test_elicitation_sep1330_enums,
                wait_until_gone,
            ],
        )
    ]


@hookimpl
def register_prompts() -> list[Prompt]:
    return [
        Prompt(function.__name__, "A prompt of the suite.", function)
        for function in (
            test_simple_prompt,
            test_prompt_with_arguments,
            test_prompt_with_embedded_resource,
            test_prompt_with_image,
            test_input_required_result_prompt,
        )
    ]


@hookimpl
def register_resources() -> list[Resource]:
    return [
        Resource("test://static-text", "static-text", "A text.", read_text, "text/plain"),
        Resource("test://watched-resource", "watched-resource", "A text.", read_text, "text/plain"),
        Resource("test://static-binary", "static-binary", "A picture.", read_binary, "image/png"),
        Resource("test://template/{id}/data", "template", "Data of an ID.", read_template),
    ]
