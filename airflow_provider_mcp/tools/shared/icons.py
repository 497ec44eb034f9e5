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
"""The icons of the built-in toolsets, as the strokes that draw them."""

from __future__ import annotations

import base64


def drawn(strokes: str) -> str:
    """Return an icon of 16 by 16 units as a data URI.

    :param strokes: The path data of SVG.
    """
    svg = (
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'>"
        f"<path d='{strokes}' fill='none' stroke='#0a84c1' stroke-width='1.5'/></svg>"
    )
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


DAGS_ICON = drawn("M1 6h4v4H1zM11 1h4v4h-4zM11 11h4v4h-4zM5 8h3V3h3M8 8v5h3")

RUNS_ICON = drawn("M4 2l9 6-9 6z")

TASKS_ICON = drawn("M2 2h12v12H2zM5 8l2 2 4-4")

ASSETS_ICON = drawn("M2 4c0-3 12-3 12 0v8c0 3-12 3-12 0zM2 4c0 3 12 3 12 0M2 8c0 3 12 3 12 0")

BACKFILLS_ICON = drawn("M8 3L2 8l6 5zM14 3L8 8l6 5z")

ADMIN_ICON = drawn("M1 4h7M12 4h3M8 2v4h4V2zM1 12h3M8 12h7M4 10v4h4v-4z")

DIAGNOSTICS_ICON = drawn("M1 8h3l2-5 4 10 2-5h3")

DAG_TOOLS_ICON = drawn("M1 3h5v4H1zM1 11h5M10 4l5 4-5 4z")

API_ICON = drawn("M5 3L1 8l4 5M11 3l4 5-4 5M9 2L7 14")
