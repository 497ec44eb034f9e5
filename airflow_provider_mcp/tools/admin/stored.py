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
"""What Airflow keeps by a name: variables, connections and pools are found, stored and deleted alike."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_mcp.sdk import (
    JSON,
    MASK,
    Airflow,
    InvalidArgument,
    JSONObject,
    holds_mask,
    near_miss,
    path,
    search_close_names,
)
from airflow_provider_mcp.tools.shared.previews import Deleted
from airflow_provider_mcp.tools.shared.reads import find_row


@dataclass(frozen=True)
class Kind:
    """A kind of thing that is kept by its name.

    :param name: What it is, for people.
    :param route: The route of their list, which is also the end of its tool's name.
    :param field: The field of a row that has its name.
    :param pattern: The parameter by which the list is filtered by a part of the name.
    :param argument: What the tools call its name.
    :param has_slashes: Whether a name may hold slashes.
    """

    name: str
    route: str
    field: str
    pattern: str
    argument: str
    has_slashes: bool = False

    def build_path(self, name: str) -> str:
        return path(f"{self.route}/{{}}", name, slashes=self.has_slashes)

    async def find(self, airflow: Airflow, name: str) -> JSONObject | None:
        """Return what is kept by a name; None if nothing is."""
        return await find_row(airflow, self.build_path(name))

    async def get(self, airflow: Airflow, name: str) -> JSONObject:
        """Return what is kept by a name.

        :raises ToolError: ``not_found`` with close matches.
        """
        found = await self.find(airflow, name)
        if found is not None:
            return found
        close = await search_close_names(airflow, name, self.route, self.field, pattern=self.pattern)
        raise near_miss(
            f"No {self.name} `{name}`",
            close,
            hint=f"list_{self.route} shows what there is.",
            **{self.argument: name},
        )

    async def delete(self, airflow: Airflow, name: str) -> Deleted:
        """Delete what is kept by a name.

        :raises ToolError: ``not_found`` with close matches.
        """
        await self.get(airflow, name)
        await airflow.delete(self.build_path(name))
        return Deleted(deleted=name)


def refuse_mask(name: str, value: JSON, hint: str) -> None:
    """Refuse a value that is the mask of a secret, which would replace the secret.

    :raises ToolError: ``invalid_argument``.
    """
    if holds_mask(value):
        raise InvalidArgument(
            f"{name} holds {MASK}, which stands for a secret that was masked. Nothing was changed.", hint=hint
        )
