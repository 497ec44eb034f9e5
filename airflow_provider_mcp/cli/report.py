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
"""What a check found, as text for a person or as JSON for a script."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal

from airflow_provider_mcp.cli.output import build_console, say

Level = Literal["ok", "FAIL", "note"]

STYLES: dict[Level, str] = {"ok": "green", "FAIL": "bold red", "note": "yellow"}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    :param cure: How to mend it: the likeliest way first.
    """

    level: Level
    text: str
    cure: str = ""


@dataclass
class Report:
    """What was found at one place."""

    place: str
    findings: list[Finding] = field(default_factory=list)

    def ok(self, text: str) -> None:
        """Add what works."""
        self.findings.append(Finding("ok", text))

    def fail(self, text: str, cure: str = "") -> None:
        """Add what does not work."""
        self.findings.append(Finding("FAIL", text, cure))

    def note(self, text: str) -> None:
        """Add what is worth knowing, but no fault."""
        self.findings.append(Finding("note", text))

    @property
    def faults(self) -> list[Finding]:
        """What does not work."""
        return [finding for finding in self.findings if finding.level == "FAIL"]


def print_reports(reports: Sequence[Report], *, as_json: bool) -> None:
    """Print reports; the likeliest cure comes first."""
    if as_json:
        rows = [{**asdict(report), "faults": len(report.faults)} for report in reports]
        say(json.dumps({"reports": rows, "faults": sum(row["faults"] for row in rows)}, indent=2))
        return
    console = build_console()
    for report in reports:
        console.print(report.place, style="bold")
        cure = next((finding.cure for finding in report.faults if finding.cure), "")
        if cure and len(report.findings) > 1:
            console.print(f"  Do this first: {cure}", style="bold")
        for finding in report.findings:
            console.print(f"  {finding.level:5} {finding.text}", style=STYLES[finding.level])
            if finding.cure:
                console.print(f"        {finding.cure}")
