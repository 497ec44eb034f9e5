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
"""``airflow-mcp check --lock FILE``: a manifest of tool definitions, and what changed since it was written.

A tool is approved by what it says it does. An update of a package may change that in silence; the manifest,
kept beside what relies on the tools, makes the change visible.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from airflow_provider_mcp.cli.arguments import Misuse
from airflow_provider_mcp.cli.report import Report
from airflow_provider_mcp.sdk.json_types import JSON
from airflow_provider_mcp.sdk.tool import Tool

FORMAT = 1

Manifest = dict[str, dict[str, str]]
"""By the name of a tool: its owner, its access level, and a digest of each part of its definition."""


def build_manifest(tools: dict[str, Tool]) -> Manifest:
    """Return the manifest of tools."""
    from airflow_provider_mcp.server.calls import describe_tool

    manifest = {}
    for name, tool in sorted(tools.items()):
        definition = describe_tool(tool).model_dump(mode="json", by_alias=True, exclude_none=True)
        parts = {part: _digest(value) for part, value in definition.items() if part != "name"}
        manifest[name] = {"owner": tool.owner, "access": tool.access, **parts}
    return manifest


def _digest(value: JSON) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def compare(old: Manifest, new: Manifest) -> list[str]:
    """Return a sentence for each tool that came, went or changed."""
    sentences = [f"the tool {name} is gone" for name in sorted(set(old) - set(new))]
    for name, parts in sorted(new.items()):
        if name not in old:
            sentences.append(f"the tool {name} is new ({parts['access']}, from {parts['owner']})")
            continue
        before = old[name]
        changed = sorted(part for part in {*before, *parts} if before.get(part) != parts.get(part))
        if changed:
            sentences.append(f"the tool {name} has changed: {', '.join(changed)}")
    return sentences


def check_lock(file: str, version: str | None) -> Report:
    """Compare the tools that are installed here with a manifest; write it if there is none."""
    from airflow_provider_mcp.server.catalogue import load_catalogue

    if version is None:
        raise Misuse("--lock looks at the tools that are installed here, and Airflow is not")
    path, report = Path(file), Report(f"Tool definitions: {file}")
    manifest = build_manifest(load_catalogue(version).tools)
    if not path.exists():
        document = {"format": FORMAT, "airflow": version, "tools": manifest}
        try:
            path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        except OSError as failure:
            raise Misuse(f"--lock cannot be written: {failure.strerror}") from None
        report.ok(f"{len(manifest)} tools are written down")
        return report
    sentences = compare(_read(path), manifest)
    for sentence in sentences:
        report.fail(sentence, "Look at the package that it is from; then delete the file and write it again.")
    if not sentences:
        report.ok(f"{len(manifest)} tools are as they were")
    return report


def _read(path: Path) -> Manifest:
    try:
        document: JSON = json.loads(path.read_text(encoding="utf-8"))
        if document["format"] != FORMAT:
            raise ValueError
        manifest: Manifest = {name: dict(parts) for name, parts in document["tools"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise Misuse("--lock is no manifest of this command: delete the file to write a new one") from None
    return manifest
