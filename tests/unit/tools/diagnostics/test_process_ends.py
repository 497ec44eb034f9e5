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
"""How a process ended, by texts that are anybody's."""

from __future__ import annotations

import pytest

from airflow_provider_mcp.tools.diagnostics.process_ends import ProcessEnd, read_end, read_exit_code


@pytest.mark.parametrize("code", ["²", "٣" * 20, "9" * 5000, "-" + "9" * 5000, "--1", "1-1", ""])
def test_what_is_no_number_of_a_process_is_none(code: str) -> None:
    assert read_exit_code("SystemExit", code) is None
    assert read_exit_code("AirflowException", f"failed with exit code {code}") in (
        None,
        ProcessEnd(exit_code=1),
    )
    assert read_end({"exit_code": code}, "Task finished").exit_code is None


@pytest.mark.parametrize(
    ("exception", "message", "end"),
    [
        ("SystemExit", "3", ProcessEnd(exit_code=3)),
        ("SystemExit", "-9", None),
        ("AirflowException", "The command exited with code 127", ProcessEnd(exit_code=127)),
        ("CalledProcessError", "returned code -9", ProcessEnd(signal="SIGKILL")),
        ("CalledProcessError", "died with <Signals.SIGTERM: 15>.", ProcessEnd(signal="SIGTERM")),
        ("ValueError", "exit early", None),
    ],
)
def test_how_an_exception_says_it(exception: str, message: str, end: ProcessEnd | None) -> None:
    assert read_exit_code(exception, message) == end
