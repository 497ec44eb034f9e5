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
"""The conversation of docs/conversation.rst is what this Airflow answers."""

from __future__ import annotations

import os

import pytest

from devtools.conversation import PAGE, play, prepare
from tests.live.site import LINE, Site


@pytest.mark.skipif(LINE != 3, reason="the page is that of Airflow 3")
def test_the_conversation_is_what_came_back(site: Site) -> None:
    """With WRITE_CONVERSATION=1 in the environment it is written instead."""
    prepare(site)
    try:
        played = play(site)
    finally:
        # Other tests need a Dag that waits: without its pool it does.
        site.airflow("pools", "delete", "demo_full_pool")
    if os.environ.get("WRITE_CONVERSATION"):
        PAGE.write_text(played, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == played
