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
"""Find out, of any MCP server of an Airflow, what the README compares.

``python scripts/probe.py http://localhost:8080/mcp/v1 "Bearer ..."`` asks a running one. It needs nothing but
Python, calls only ``list_dags``, and changes nothing. ``python scripts/probe.py MODULE``, run by the Python
of an Airflow, imports the module of a plugin as a scheduler does.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

MODERN = "2026-07-28"
PERSON = {"name": "probe", "version": "1"}


def post(
    url: str, method: str, params: Mapping[str, Any], headers: Mapping[str, str]
) -> tuple[int, dict[str, Any]]:
    """Send one JSON-RPC message; return the HTTP status and the message that answers, or nothing."""
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    sent = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream", **headers}
    request = urllib.request.Request(url, json.dumps(message).encode(), sent)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            status, body = answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        status, body = refused.code, refused.read().decode()
    for line in body.splitlines():
        text = line.removeprefix("data:").strip()
        if text.startswith("{"):
            got: dict[str, Any] = json.loads(text)
            return status, got
    return status, {}


def probe(url: str, authorization: str) -> dict[str, Any]:
    """Return what was found, by what was asked."""
    known = {"Authorization": authorization}
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": PERSON}
    meta = {
        f"io.modelcontextprotocol/{name}": value
        for name, value in (("protocolVersion", MODERN), ("clientInfo", PERSON), ("clientCapabilities", {}))
    }
    modern = {**known, "MCP-Protocol-Version": MODERN, "Mcp-Method": "server/discover"}
    listed = post(url, "tools/list", {}, known)[1]["result"]["tools"]
    loses = [tool for tool in listed if (tool.get("annotations") or {}).get("destructiveHint")]
    asks = [tool for tool in loses if "confirmation_token" in tool["inputSchema"].get("properties", {})]
    misspelled = {"name": "list_dags", "arguments": {"patern": "x"}}
    misspelled_status, misspelled_answer = post(url, "tools/call", misspelled, known)
    refused = misspelled_status >= 400 or "error" in misspelled_answer
    # Clients read `_meta` themselves: no model pays for it.
    for_model = [{key: value for key, value in tool.items() if key != "_meta"} for tool in listed]
    return {
        "HTTP status of initialize without a credential": post(url, "initialize", hello, {})[0],
        "HTTP status of tools/list without a credential": post(url, "tools/list", {}, {})[0],
        "answers server/discover (2026-07-28)": "result"
        in post(url, "server/discover", {"_meta": meta}, modern)[1],
        "tools": len(listed),
        "characters of tools/list, by tool": round(len(json.dumps(for_model)) / len(listed)),
        "tools with an output schema": sum("outputSchema" in tool for tool in listed),
        "tools marked destructive": len(loses),
        "of these, with a confirmation": len(asks),
        "refuses an argument that there is not": refused or bool(misspelled_answer["result"].get("isError")),
    }


def import_plugin(module: str) -> dict[str, Any]:
    """Return what an import costs a process that has Airflow's own plugin module already."""
    importlib.import_module("airflow.plugins_manager")
    before, began = set(sys.modules), time.perf_counter()
    importlib.import_module(module)
    took = time.perf_counter() - began
    added = {name.split(".")[0] for name in set(sys.modules) - before}
    heavy = ("mcp", "fastmcp", "starlette", "fastapi", "flask", "pydantic", "httpx")
    return {"milliseconds": round(took * 1000), "loads": " ".join(n for n in heavy if n in added) or "none"}


if __name__ == "__main__":
    found = probe(*sys.argv[1:]) if len(sys.argv) == 3 else import_plugin(sys.argv[1])
    for what, value in found.items():
        print(f"{what}: {value}")
