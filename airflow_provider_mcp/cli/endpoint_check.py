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
"""Whether an Airflow's endpoint ``/mcp/v1`` is mounted, whom it takes the caller for, what it offers."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from airflow_provider_mcp.sdk.json_types import JSON, JSONObject
from airflow_provider_mcp.server.build import CALLER_KEY
from airflow_provider_mcp.server.calls import LEFT_OUT_KEY

if TYPE_CHECKING:
    import httpx

    from airflow_provider_mcp.cli.report import Report
    from airflow_provider_mcp.remote.client import Remote

PROTOCOL = "2025-11-25"

INITIALIZE: JSONObject = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": PROTOCOL,
        "capabilities": {},
        "clientInfo": {"name": "airflow-mcp check", "version": "1"},
    },
}

LIST_TOOLS: JSONObject = {"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {}}

_PROXIES = (
    (
        "x-goog-iap-generated-response",
        "Google's Identity-Aware Proxy",
        "Proxy-Authorization: Bearer <ID token>",
    ),
    ("cf-access-domain", "Cloudflare Access", "CF-Access-Client-Id and CF-Access-Client-Secret"),
)
"""By a header of theirs: proxies that want a login of their own, and the header that passes them."""

_PROXY_HOSTS = {
    "cloudflareaccess.com": ("Cloudflare Access", "CF-Access-Client-Id and CF-Access-Client-Secret"),
    "accounts.google.com": ("Google's Identity-Aware Proxy", "Proxy-Authorization: Bearer <ID token>"),
}


async def check_endpoint(remote: Remote, report: Report, *, accepted: bool) -> None:
    """Ask the endpoint, without a credential and with it, and report what it answers.

    :param accepted: Whether Airflow's REST API has accepted the credential.
    :raises ToolError: It cannot be reached.
    """
    response = await remote.post_endpoint(INITIALIZE, authenticate=False)
    if not report_mount(response, remote.target.url, report):
        return
    report_login(response, remote.target.url, report)
    if not accepted:
        return
    response = await remote.post_endpoint(INITIALIZE, authenticate=True)
    if not report_caller(response, report):
        return
    response = await remote.post_endpoint(LIST_TOOLS, authenticate=True)
    listed = parse_result(response) or {}
    tools = listed.get("tools")
    if isinstance(tools, list):
        report_offer(tools, report)
        for sentence in (listed.get("_meta") or {}).get(LEFT_OUT_KEY, []):
            report.note(f"not offered to you: {sentence}")
    else:
        report.fail(
            f"tools/list answers with HTTP {response.status_code}",
            "Look at the log of Airflow's web process.",
        )


def report_mount(response: httpx.Response, url: str, report: Report) -> bool:
    """Report whether the endpoint is what answered a request without a credential."""
    status = response.status_code
    if is_ours(response):
        report.ok("the MCP endpoint /mcp/v1 is mounted")
        return True
    if 300 <= status < 400:
        host = urlsplit(response.headers.get("location", "")).hostname or "another page"
        proxies = [name for suffix, name in _PROXY_HOSTS.items() if host.endswith(suffix)]
        report.fail(
            f"/mcp/v1 is not reached: a proxy in front of Airflow sends requests to {host} (HTTP {status})",
            _cure_proxy(*proxies[0]) if proxies else _cure_proxy(),
        )
    elif status in {401, 403, 407}:
        proxies = [(name, passing) for header, name, passing in _PROXIES if header in response.headers]
        report.fail(
            f"/mcp/v1 is not reached: {proxies[0][0] if proxies else 'a proxy in front of Airflow'} refuses "
            f"requests (HTTP {status})",
            _cure_proxy(*proxies[0]) if proxies else _cure_proxy(),
        )
    elif status >= 500:
        report.fail(
            f"/mcp/v1 answers with HTTP {status}",
            "Look at the log of Airflow's web process; behind a proxy, see that it reaches Airflow.",
        )
    elif status in {200, 404, 405}:
        prefix = urlsplit(url).path
        proxy = (
            f" or a proxy strips {prefix} from the address, which Airflow's pages bear and the endpoint not;"
            if prefix
            else ""
        )
        report.fail(
            f"the MCP endpoint is not mounted: /mcp/v1 answers as any unknown page does (HTTP {status})",
            "Restart Airflow's web process (api-server, or webserver on Airflow 2): it was not restarted "
            "since the package was installed. If that does not help: the package is not installed where the "
            f"web process runs (`airflow plugins` lists `mcp` there);{proxy} or [mcp] enabled is False.",
        )
    else:
        report.fail(
            f"/mcp/v1 answers with HTTP {status}, which is not how the endpoint answers",
            "See what stands between here and Airflow: a proxy changes the request or the answer.",
        )
    return False


def _cure_proxy(name: str = "", passing: str = "") -> str:
    if passing:
        return (
            f"Have clients send, beside the Authorization header for Airflow, what passes {name}: {passing}; "
            "or exempt /mcp/v1 and /.well-known from its login, since Airflow checks each request itself."
        )
    return (
        "Exempt /mcp/v1 and /.well-known from the proxy's login, since Airflow checks each request itself; "
        "or have clients send the header that passes the proxy, which leaves Authorization to Airflow."
    )


def is_ours(response: httpx.Response) -> bool:
    """Say whether a response to :data:`INITIALIZE` is the endpoint's: JSON-RPC, or its 401."""
    message = parse_message(response)
    return message is not None and message.get("jsonrpc") == "2.0"


def parse_message(response: httpx.Response) -> JSONObject | None:
    """Return the JSON-RPC message of a response, plain or the last event of a stream; None without one."""
    text = response.text
    if "event-stream" in response.headers.get("content-type", ""):
        events = [line.removeprefix("data:") for line in text.splitlines() if line.startswith("data:")]
        text = events[-1] if events else ""
    try:
        message: JSON = json.loads(text)
    except ValueError:
        return None
    return message if isinstance(message, dict) else None


def parse_result(response: httpx.Response) -> JSONObject | None:
    """Return the result of a JSON-RPC response, None if it is an error."""
    result = (parse_message(response) or {}).get("result")
    return result if isinstance(result, dict) else None


def report_login(response: httpx.Response, url: str, report: Report) -> None:
    """Report which login the endpoint offers to a client without a credential."""
    if response.status_code != 401:
        report.note("the endpoint asks for no credential: whoever reaches this address is let in")
        return
    challenge = response.headers.get("www-authenticate", "")
    schemes = re.findall(r"(?:^|, )([A-Za-z]+)(?= |,|$)", re.sub(r'"[^"]*"', '""', challenge))
    metadata = re.search(r'resource_metadata="([^"]*)"', challenge)
    if metadata is None:
        report.ok(f"login: a credential in the Authorization header ({' or '.join(schemes) or 'any scheme'})")
    else:
        report.ok("login: by the browser (OAuth), so that a client needs the address alone; or a credential")
        offered, asked = urlsplit(metadata[1]), urlsplit(url)
        if (offered.scheme, offered.netloc) != (asked.scheme, asked.netloc):
            report.fail(
                f"the endpoint says that it is at {offered.scheme}://{offered.netloc}, and was asked at "
                f"{asked.scheme}://{asked.netloc}",
                "Set Airflow's base_url ([api] on Airflow 3, [webserver] on Airflow 2) to the address that "
                "clients use, or check that address.",
            )
    text = str(((parse_message(response) or {}).get("error") or {}).get("message", ""))
    if "auth_backends" in text:
        report.fail(text, "Set [api] auth_backends as it says, and restart the webserver.")


def report_caller(response: httpx.Response, report: Report) -> bool:
    """Report whether the endpoint takes the credential, and whom it takes the caller for."""
    result = parse_result(response)
    if result is not None:
        server: JSONObject = result.get("serverInfo") or {}
        caller = (result.get("_meta") or {}).get(CALLER_KEY)
        report.ok(
            f"the endpoint takes the credential{f': you are {caller}' if caller else ''} "
            f"({server.get('name', 'a server without a name')} {server.get('version', '')})".rstrip()
        )
        return True
    text = str(((parse_message(response) or {}).get("error") or {}).get("message", ""))
    if response.status_code == 401 and "invalid_token" not in response.headers.get("www-authenticate", ""):
        report.fail(
            "the REST API takes the credential, and the endpoint got none",
            "Let the proxy pass the Authorization header on to /mcp/v1 as it does for /api.",
        )
    elif response.status_code == 401:
        report.fail(
            f"the REST API takes the credential, and the endpoint does not: {text}",
            "Give all web processes the same secret ([api_auth] jwt_secret on Airflow 3), and restart them.",
        )
    else:
        report.fail(
            f"the endpoint answers initialize with HTTP {response.status_code}: {text or 'no JSON-RPC'}",
            "Look at the log of Airflow's web process, and at what a proxy changes.",
        )
    return False


def report_offer(tools: list[JSONObject], report: Report) -> None:
    """Report how many tools the caller is offered."""
    reading = sum(1 for tool in tools if (tool.get("annotations") or {}).get("readOnlyHint"))
    if tools:
        report.ok(
            f"{len(tools)} tools are offered to you: {reading} that read, {len(tools) - reading} that change"
        )
    else:
        report.fail(
            "no tool is offered to you", "See [mcp] toolsets and disabled_tools, and the connection's extra."
        )
