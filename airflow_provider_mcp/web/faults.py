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
"""The page of what is wrong: plugins that did not load, names that clash, options that are malformed.

What could not be offered to whoever looks, such as a Dag as a tool, is among them.
"""

from __future__ import annotations

from airflow_provider_mcp.endpoint.door import Reply
from airflow_provider_mcp.server.request import Request
from airflow_provider_mcp.web.host import PageHost
from airflow_provider_mcp.web.rendering import render


async def show_faults(host: PageHost, request: Request) -> Reply:
    """Return the page."""
    return render(
        "faults.html",
        host,
        framed=True,
        here="faults",
        problems=[*request.catalogue.problems, *(await request.caller_tools()).problems],
        policy_problem=request.policy.problem,
        unknown_names=request.policy.unknown_names,
        conn_id=request.policy.conn_id,
        login_warning=host.login_warning,
    )
