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
"""The question whether a client may act for a person, in Chromium, by the keyboard, with axe-core.

Not a part of ``make test``: it needs Debian's chromium, and playwright-core and axe-core from npm.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from urllib.parse import parse_qs

import httpx
import pytest

from devtools.airflow_process import AirflowHome
from tests.browser.driving import drive, waiting_for_answers
from tests.live.login_requests import address
from tests.live.site import Site

pytestmark = pytest.mark.skipif("BROWSER" not in os.environ, reason="make browser")
HOSTILE = "<b onmouseover=alert(1)>Clod</b>"


def test_a_person_is_asked(tmp_path: Path) -> None:
    home = AirflowHome(tmp_path / "airflow")
    home.prepare()
    with Site(home, prefix="/air/flow").serving() as site, waiting_for_answers() as (callback, answers):
        body = {"client_name": HOSTILE, "redirect_uris": [callback]}
        registered = httpx.post(f"{site.root}/mcp/oauth/register", json=body, timeout=60).json()
        client = registered["client_id"]
        url = address(site, client, redirect_uri=callback)
        refused = address(site, client, redirect_uri="https://evil.example/callback")
        drive("consent.mjs", site, first=url, second=url, refused=refused, callback=callback, name=HOSTILE)
        assert "code" in parse_qs(answers[0])
        assert parse_qs(answers[1])["error"] == ["access_denied"]
        rows = site.call("list_event_logs", event="mcp.login_allowed")["structuredContent"]["event_logs"]
        assert len(rows) == 1
        # What the keyboard has chosen.
        assert "airflow:write" in json.dumps(rows)
