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
"""The error for a thing that is not there, with those of nearly its name."""

from __future__ import annotations

from airflow_provider_mcp.sdk import JSON, Airflow, NotFound, near_miss, search_close_names


async def miss_row(
    airflow: Airflow, kind: str, asked: str, *, route: str, field: str, pattern: str, **identifiers: JSON
) -> NotFound:
    """Return the error for what is not in a list of the REST API.

    :param kind: What it is, for people.
    :param route: The route of the list, which is also the end of its tool's name.
    :param field: The field of a row that has its name.
    :param pattern: The parameter by which the list is filtered by a part of the name.
    """
    close = await search_close_names(airflow, asked, route, field, pattern=pattern)
    hint = f"list_{route} shows what there is."
    return near_miss(f"No {kind} `{asked}`", close, hint=hint, **identifiers)
