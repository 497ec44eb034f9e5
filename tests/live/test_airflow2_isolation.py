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
"""On Airflow 2, a call into the app from inside one of its requests leaves that request as it was."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from devtools.airflow_process import ROOT, AirflowHome
from tests.live.site import LINE

pytestmark = pytest.mark.skipif(LINE != 2, reason="Airflow 3 has no thread-local session or login")


def test_nested_calls_leave_the_outer_request_as_it_was(home: AirflowHome) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.live.nested_calls"],
        cwd=ROOT,
        env=home.environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout.strip().splitlines()[-1])
    assert facts["one"] == {
        "viewer": ["permission_denied", "permission_denied", "not_found", "internal"],
        "user": "viewer",
        "same_session": True,
        "still_pending": True,
        "same_contexts": True,
        "kept": "kept",
        "pending_was_committed": False,
        "outer_can_commit": True,
        "admin": ["ok"],
        "inner_write_stands": True,
        "rolled_back_was_committed": False,
    }
    for number, (*outcomes, user) in enumerate(facts["eight"]):
        assert user == ("viewer" if number % 2 else "admin")
        assert outcomes == ["permission_denied" if number % 2 else "ok"] * 4
    assert facts["inner_saw_outer_g"] == [False]
    # What the user may do was found at the door. Fails where Airflow keeps it in another place than `_perms`.
    assert facts["permission_queries_of_inner_calls"] == []
    assert facts["connections_in_use"] == 0
