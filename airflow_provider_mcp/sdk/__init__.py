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
"""The one module that tool authors import."""

from __future__ import annotations

from airflow_provider_mcp.sdk.airflow import Airflow, AirflowSync, Caller
from airflow_provider_mcp.sdk.arguments import Arguments, Time
from airflow_provider_mcp.sdk.client import Client, Form, Roots, Sampling
from airflow_provider_mcp.sdk.content import Audio, Content, Embedded, Image, Message
from airflow_provider_mcp.sdk.errors import (
    Conflict,
    InternalError,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ToolError,
    Unavailable,
    Unsupported,
)
from airflow_provider_mcp.sdk.guards import path
from airflow_provider_mcp.sdk.hookspecs import hookimpl
from airflow_provider_mcp.sdk.jobs import Job, JobStarted, JobState
from airflow_provider_mcp.sdk.json_types import JSON, JSONObject
from airflow_provider_mcp.sdk.masking import holds_mask
from airflow_provider_mcp.sdk.near_misses import find_close_names, near_miss, search_close_names
from airflow_provider_mcp.sdk.pages import (
    Cursor,
    Limit,
    Page,
    Result,
    Rows,
    decode_cursor,
    encode_cursor,
)
from airflow_provider_mcp.sdk.plain_schemas import plain_schema
from airflow_provider_mcp.sdk.prompts import Prompt
from airflow_provider_mcp.sdk.resources import Resource
from airflow_provider_mcp.sdk.secret_forms import MASK
from airflow_provider_mcp.sdk.tool import DynamicTools, Tool, ToolCall, Toolset, tool

__all__ = [
    "JSON",
    "MASK",
    "Airflow",
    "AirflowSync",
    "Arguments",
    "Audio",
    "Caller",
    "Client",
    "Conflict",
    "Content",
    "Cursor",
    "DynamicTools",
    "Embedded",
    "Form",
    "Image",
    "InternalError",
    "InvalidArgument",
    "JSONObject",
    "Job",
    "JobStarted",
    "JobState",
    "Limit",
    "Message",
    "NotFound",
    "Page",
    "PermissionDenied",
    "Prompt",
    "Resource",
    "Result",
    "Roots",
    "Rows",
    "Sampling",
    "Time",
    "Tool",
    "ToolCall",
    "ToolError",
    "Toolset",
    "Unavailable",
    "Unsupported",
    "decode_cursor",
    "encode_cursor",
    "find_close_names",
    "holds_mask",
    "hookimpl",
    "near_miss",
    "path",
    "plain_schema",
    "search_close_names",
    "tool",
]
