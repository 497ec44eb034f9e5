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
"""``airflow-mcp tools``: the tools with access level and owner."""

from __future__ import annotations

import argparse
import json
import re

from airflow_provider_mcp.cli.arguments import FAULTY, OK, Misuse
from airflow_provider_mcp.cli.instances import installed_airflow
from airflow_provider_mcp.cli.output import print_table, remark, say


def tools(arguments: argparse.Namespace) -> int:
    """List the tools."""
    from airflow_provider_mcp.server.catalogue import load_catalogue

    version = arguments.airflow_version or installed_airflow()
    if version is None:
        raise Misuse("Airflow is not installed here: give --airflow-version")
    if not re.match(r"\d+\.\d+", version):
        raise Misuse(f"{version} is no version of Airflow; one is 2.11 or 3.3.2, for example")
    catalogue = load_catalogue(version)
    rows = [
        {"name": tool.name, "access": tool.access, "toolset": tool.toolset, "owner": tool.owner}
        for tool in catalogue.tools.values()
    ]
    if arguments.json:
        say(json.dumps(rows, indent=2))
    else:
        print_table(("name", "access", "toolset", "owner"), [list(row.values()) for row in rows])
    for problem in catalogue.problems:
        remark(f"{problem.owner}: {problem.message}")
    return FAULTY if catalogue.problems else OK
