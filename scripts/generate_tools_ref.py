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
"""Write what follows from the code of the tools: their snapshots, docs/tools-ref.rst, README's table.

With ``--check`` only say whether it is up to date. It runs where the package is installed.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
import typing
from pathlib import Path
from typing import Any

from airflow_provider_mcp.sdk.prompts import Prompt
from airflow_provider_mcp.sdk.tool import Tool
from airflow_provider_mcp.server.calls import describe_tool
from airflow_provider_mcp.server.catalogue import Catalogue, load_catalogue

ROOT = Path(__file__).resolve().parent.parent
SNAPSHOTS = "tests/contract/snapshots"
NEWEST = {"3": "3.3.2", "2": "2.11.2"}


def definition(tool: Tool) -> dict[str, Any]:
    """Return a tool as ``tools/list`` shows it where [mcp] is left as it is."""
    shown: dict[str, Any] = describe_tool(tool, confirms=tool.access == "destructive").model_dump(
        mode="json", by_alias=True, exclude_none=True
    )
    return shown


def as_json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def snapshots() -> dict[str, str]:
    """Return the text of each snapshot by its path."""
    files = {
        f"{SNAPSHOTS}/{tool.name}.json": as_json(definition(tool))
        for tool in load_catalogue(NEWEST["3"], found=[]).tools.values()
    }
    names = sorted(load_catalogue(NEWEST["2"], found=[]).tools)
    return {**files, "tests/contract/tools_of_airflow2.json": as_json(names)}


# ---- docs/tools-ref.rst ------------------------------------------------------------------------------


def escaped(text: str) -> str:
    """Return text as reStructuredText that means nothing but itself."""
    plain = " ".join(text.split())
    return "".join(f"\\{c}" if c in "\\*`_|" else c for c in plain)


def kind(schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    """Return the type of a value in a few words."""
    if "$ref" in schema:
        return kind(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "enum" in schema:
        return ", ".join(f"``{value}``" for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(kind(one, definitions) for one in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {kind(schema.get('items', {}), definitions)}"
    return str(schema.get("type", "any"))


def argument(name: str, schema: dict[str, Any], tool: dict[str, Any]) -> list[str]:
    definitions = tool.get("$defs", {})
    notes = [kind(schema, definitions)]
    bounds = [
        f"{word} {schema[key]}" for key, word in (("minimum", "from"), ("maximum", "to")) if key in schema
    ]
    if bounds:
        notes.append(" ".join(bounds))
    if name in tool.get("required", []):
        notes.append("required")
    elif schema.get("default") not in (None, [], ""):
        notes.append(f"default ``{json.dumps(schema['default'])}``")
    return [
        f"   * - ``{name}``",
        f"     - {'; '.join(notes)}",
        f"     - {escaped(schema.get('description', ''))}",
    ]


def served(tool: Tool) -> str:
    if tool.until:
        return f"Airflow before {tool.until}"
    return f"Airflow {tool.since} and later" if tool.since else "Airflow 2 and 3"


def tool_section(tool: Tool) -> list[str]:
    shown = definition(tool)
    access = tool.access + (", asks for confirmation" if tool.access == "destructive" else "")
    out = [f".. _tool:{tool.name}:", "", tool.name, "~" * len(tool.name), ""]
    out += [escaped(tool.description), "", f":Access: {access}", f":Served by: {served(tool)}"]
    fields = (tool.output_schema or {}).get("properties", {})
    if fields:
        out.append(f":Result: {', '.join(f'``{name}``' for name in fields)}")
    inputs = shown["inputSchema"]
    if inputs.get("properties"):
        out += ["", ".. list-table::", "   :header-rows: 1", "   :widths: 20 40 40", ""]
        out += ["   * - Argument", "     - Type", "     - Meaning"]
        for name, schema in inputs["properties"].items():
            out += argument(name, schema, inputs)
    return [*out, ""]


def prompt_row(prompt: Prompt) -> list[str]:
    hints = typing.get_type_hints(prompt.function, include_extras=True)
    named = []
    for name in inspect.signature(prompt.function).parameters:
        notes = [n.description for n in getattr(hints[name], "__metadata__", ()) if n.description]
        named.append(f"``{name}``: {escaped(notes[0])}" if notes else f"``{name}``")
    return [
        f"   * - ``{prompt.name}``",
        f"     - {'; '.join(named)}",
        f"     - {escaped(prompt.description)}",
    ]


def tools_ref(catalogue: Catalogue) -> str:
    """Return the page of all tools, resources and prompts."""
    licence = (ROOT / "provider.yaml").read_text(encoding="utf-8").splitlines()[:16]
    out = [
        "..",
        *(line.replace("#", "   ", 1).rstrip() for line in licence),
        "",
        ".. Written by scripts/generate_tools_ref.py from the code of the tools.",
        "",
        "Tools reference",
        "===============",
        "",
        "What the server offers by itself; other providers may add to it (:doc:`writing-tools`). A tool",
        "that the running Airflow cannot serve is not listed there. A result is cut to",
        "``[mcp] max_result_chars``: then ``truncated`` is true and ``hint`` tells how to get the rest.",
        "``confirmation_token`` is an argument of the tools that ask for a confirmation under",
        "``[mcp] confirm``.",
        "",
        ".. contents:: On this page",
        "   :local:",
        "   :depth: 2",
        "",
    ]
    for toolset, description in catalogue.toolsets.items():
        out += [toolset, "-" * len(toolset), "", escaped(description), ""]
        for tool in catalogue.tools.values():
            if tool.toolset == toolset:
                out += tool_section(tool)
    out += ["Resources", "---------", "", ".. list-table::", "   :header-rows: 1", "   :widths: 45 15 40", ""]
    out += ["   * - Address", "     - Type", "     - Content"]
    for resource in catalogue.resources.values():
        out += [f"   * - ``{resource.uri}``", f"     - ``{resource.mime_type}``"]
        out.append(f"     - {escaped(resource.description)}")
    out += ["", "``dag_id``, ``dag_run_id`` and ``task_id`` can be completed.", ""]
    out += ["Prompts", "-------", "", ".. list-table::", "   :header-rows: 1", "   :widths: 30 30 40", ""]
    out += ["   * - Prompt", "     - Arguments", "     - What it asks for"]
    for prompt in catalogue.prompts.values():
        out += prompt_row(prompt)
    return "\n".join(out) + "\n"


# ---- README.md ---------------------------------------------------------------------------------------

TABLE = "| toolset | tools |\n| --- | --- |\n"
COST = re.compile(r"(\| what `tools/list` costs [^|]*\| )[^|]*(?= \|)")


def readme(catalogue: Catalogue, text: str) -> str:
    """Return the README with its table of tools as they are."""
    before, _, rest = text.partition(TABLE)
    after = rest[rest.index("\n\n") :]
    rows: dict[str, list[str]] = {name: [] for name in catalogue.toolsets}
    for tool in catalogue.tools.values():
        rows[tool.toolset].append(f"`{tool.name}`")
    for toolset, dynamic in catalogue.dynamic.items():
        rows[toolset].append(f"`{dynamic.prefix}...`: {catalogue.toolsets[toolset]}")
    lines = [f"| {toolset} | {' '.join(names)} |" for toolset, names in rows.items() if names]
    return before + TABLE + "\n".join(lines) + COST.sub(rf"\g<1>{cost(catalogue)}", after)


def cost(catalogue: Catalogue) -> str:
    """Return what a model sees of the definitions, in characters, and how many they are, for the README."""
    tools = list(catalogue.tools.values())
    shown = [{key: value for key, value in definition(tool).items() if key != "_meta"} for tool in tools]
    characters = sum(len(json.dumps(each, separators=(",", ":"))) for each in shown)
    return f"about {50 * round(characters / len(tools) / 50):,} ({len(tools)} tools)"


def files() -> dict[str, str]:
    """Return the text of everything that is generated, by its path."""
    catalogue = load_catalogue(NEWEST["3"], found=[])
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return {
        **snapshots(),
        "docs/tools-ref.rst": tools_ref(catalogue),
        "README.md": readme(catalogue, text),
    }


def stale(wanted: dict[str, str]) -> list[str]:
    """Return the paths that do not hold what they should, or should not be there."""
    different = [
        relative
        for relative, text in wanted.items()
        if not (ROOT / relative).exists() or (ROOT / relative).read_text(encoding="utf-8") != text
    ]
    there = (str(found.relative_to(ROOT)) for found in (ROOT / SNAPSHOTS).glob("*.json"))
    return different + [relative for relative in there if relative not in wanted]


def main() -> int:
    wanted = files()
    for relative in (late := stale(wanted)):
        if "--check" in sys.argv:
            continue
        target = ROOT / relative
        if relative in wanted:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(wanted[relative], encoding="utf-8")
            print(f"wrote {relative}")
        else:
            target.unlink()
            print(f"removed {relative}")
    if late and "--check" in sys.argv:
        print(f"out of date: {', '.join(late)}; run `make generate`", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
