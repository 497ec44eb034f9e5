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
"""What vendors' servers send when people connect them, and what others stumbled over, played to an Airflow.

The files are written from what was reported of claude.ai, ChatGPT and others; each names where.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
import pytest

from devtools.airflow_process import ROOT
from tests.live.logging_in import Browser
from tests.live.login_requests import CHALLENGE, VERIFIER
from tests.live.site import TLS, Site

EXCHANGES = sorted((ROOT / "tests" / "fixtures" / "exchanges").glob("*.json"))


class Exchange:
    """One exchange; what an answer brings is known to the requests that follow."""

    def __init__(self, site: Site, browser: Browser) -> None:
        self._browser = browser
        parts = urlsplit(site.root)
        self._known = {
            "root": site.root,
            "url": site.url,
            "prefix": parts.path,
            "host": f"{parts.scheme}://{parts.netloc}",
            "verifier": VERIFIER,
            "challenge": CHALLENGE,
        }

    def fill(self, value: Any) -> Any:
        """Return a value of a file with what is known in the place of its names."""
        if isinstance(value, str):
            for name, known in self._known.items():
                value = value.replace(f"{{{name}}}", known)
            return value
        if isinstance(value, dict):
            return {name: self.fill(each) for name, each in value.items()}
        return [self.fill(each) for each in value] if isinstance(value, list) else value

    def play(self, step: Mapping[str, Any]) -> None:
        filled = self.fill(step)
        if "open" in filled:
            answer = self._browser.visit(f"{filled['open']}?{urlencode(filled['fields'])}")
            assert self._browser.pages[-1].headers["location"].startswith(filled["answered_at"])
            self._known |= {"code": answer.get("code", "")}
        else:
            sent = httpx.request(
                filled["method"],
                filled["url"],
                headers=filled.get("headers"),
                json=filled.get("json"),
                data=filled.get("form"),
                verify=TLS,
                timeout=60,
            )
            assert sent.status_code == filled["status"], f"{filled['url']}: {sent.text}"
            for name, value in filled.get("answer_headers", {}).items():
                assert value in sent.headers[name], f"{filled['url']}: {name}"
            is_json = "json" in sent.headers.get("content-type", "")
            answer = sent.json() if is_json and sent.content else {}
            self._known |= {name: answer[name] for name in filled.get("keep", [])}
            self._known |= {kept: answer[name] for name, kept in filled.get("keep_as", {}).items()}
        expected = filled.get("answer", {})
        assert {name: answer.get(name) for name in expected} == expected


@pytest.fixture(scope="module")
def browser(prefixed: Site) -> Browser:
    """The browser of a person who logs in to Airflow once."""
    return Browser(prefixed)


@pytest.mark.parametrize("file", EXCHANGES, ids=lambda file: str(file.stem))
def test_an_exchange(prefixed: Site, browser: Browser, file: Any) -> None:
    recorded = json.loads(file.read_text(encoding="utf-8"))
    assert recorded["reported"]
    exchange = Exchange(prefixed, browser)
    for step in recorded["steps"]:
        exchange.play(step)
