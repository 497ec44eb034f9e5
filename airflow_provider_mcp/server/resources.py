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
"""Resources and resource templates: how they are listed and read."""

from __future__ import annotations

import functools
import re
from urllib.parse import unquote

import mcp_types as types
from mcp.shared.exceptions import MCPError

from airflow_provider_mcp.sdk.airflow import Airflow
from airflow_provider_mcp.sdk.json_types import JSON
from airflow_provider_mcp.sdk.resources import Resource
from airflow_provider_mcp.server.cutting import compact
from airflow_provider_mcp.server.failures import protocol_errors
from airflow_provider_mcp.server.foreign_text import Cleaner
from airflow_provider_mcp.server.request import Context, Request
from airflow_provider_mcp.server.running import end_in_time, run_owned
from airflow_provider_mcp.server.shaping import shape
from airflow_provider_mcp.server.wire import brief, build_resource, cut


async def list_resources(ctx: Context, _: types.PaginatedRequestParams | None) -> types.ListResourcesResult:
    """Answer ``resources/list``."""
    listed = [
        types.Resource(
            uri=r.uri, name=r.name, title=r.title, description=r.description, mime_type=r.mime_type
        )
        for r in await Request.of(ctx).resources()
        if "{" not in r.uri
    ]
    return types.ListResourcesResult(resources=listed)


async def list_resource_templates(
    ctx: Context, _: types.PaginatedRequestParams | None
) -> types.ListResourceTemplatesResult:
    """Answer ``resources/templates/list``."""
    listed = [
        types.ResourceTemplate(
            uri_template=r.uri, name=r.name, title=r.title, description=r.description, mime_type=r.mime_type
        )
        for r in await Request.of(ctx).resources()
        if "{" in r.uri
    ]
    return types.ListResourceTemplatesResult(resource_templates=listed)


async def read_resource(ctx: Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
    """Answer ``resources/read``."""
    request, uri = Request.of(ctx), str(params.uri)
    resource, arguments = await _find_resource(request, uri)
    owner = request.catalogue.owners["resource", resource.uri]

    async def read(airflow: Airflow) -> JSON:
        # The parameters of a resource's function are its own: Airflow is its first by its place alone.
        return await resource.read(airflow, **arguments)

    with protocol_errors(brief(uri), owner, uri=brief(uri)):
        reading = run_owned(owner, read, {}, request.reads())
        content = await end_in_time(reading, f"the MCP resource {resource.uri} of {owner}")
        cleaner = Cleaner.for_owner(request.policy, owner)
        if isinstance(content, str):
            content = cleaner.clean_whole(cut(content, request.policy.max_result_chars))
        elif not isinstance(content, bytes):
            content = compact(cleaner.clean((await shape(content, request.policy.max_result_chars)).data))
        contents = [build_resource(uri, resource.mime_type, content)]
        return types.ReadResourceResult(contents=contents, **cleaner.meta)


async def accept_subscription(
    ctx: Context, params: types.SubscribeRequestParams | types.UnsubscribeRequestParams
) -> types.EmptyResult:
    """Answer ``resources/subscribe`` and ``unsubscribe``, which clients of 2025 send unasked.

    Subscribing is accepted; updates are never sent, for there is no stream.
    """
    await _find_resource(Request.of(ctx), str(params.uri))
    return types.EmptyResult()


async def _find_resource(request: Request, uri: str) -> tuple[Resource, dict[str, str]]:
    """Return the resource at an address, and the parameters in it."""
    for resource in await request.resources():
        match = _compile_template(resource.uri).fullmatch(uri)
        if match:
            return resource, {name: unquote(value) for name, value in match.groupdict().items()}
    raise MCPError(types.INVALID_PARAMS, f"Unknown resource: {brief(uri)}", data={"uri": brief(uri)})


@functools.lru_cache(maxsize=256)
def _compile_template(template: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", template)
    return re.compile("".join(f"(?P<{p}>[^/?#]+)" if i % 2 else re.escape(p) for i, p in enumerate(parts)))
