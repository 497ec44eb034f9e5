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
"""Each name that a real MariaDB takes for that of the limiting connection is refused: ``make outages``."""

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest

from airflow_provider_mcp.sdk.errors import PermissionDenied
from airflow_provider_mcp.sdk.guards import refuse_policy_change
from devtools.mariadb import MariaDB, mariadb

pytestmark = pytest.mark.skipif("OUTAGES" not in os.environ, reason="make outages")

NAME = "mcp_default"
COLLATIONS = (
    *("utf8mb3_bin", "utf8mb3_general_ci", "utf8mb4_bin", "utf8mb4_general_ci", "utf8mb4_unicode_ci"),
    *("utf8mb4_unicode_520_ci", "utf8mb4_uca1400_ai_ci", "utf8mb4_uca1400_as_ci", "utf8mb4_turkish_ci"),
    *("utf8mb4_german2_ci", "utf8mb4_danish_ci", "utf8mb4_unicode_nopad_ci", "utf8mb4_general_nopad_ci"),
)
"""What a connection's ID may be compared by: Airflow's own, and what an installation has made of it."""

ROOT = "http://airflow/api/v2/"


@pytest.fixture(scope="module")
def database() -> Iterator[MariaDB]:
    with TemporaryDirectory() as folder, mariadb(Path(folder)) as server:
        server.execute("create database t; create table t.signs (sign varchar(4) character set utf8mb4)")
        signs = [
            f"(convert(x'{chr(number).encode().hex()}' using utf8mb4))"
            for number in range(1, sys.maxunicode + 1)
            if unicodedata.category(chr(number)) not in {"Cn", "Cs", "Co"}
        ]
        for begin in range(0, len(signs), 5000):
            server.execute(f"insert into t.signs values {','.join(signs[begin : begin + 5000])}")
        yield server


def find_spellings(database: MariaDB, collation: str) -> set[str]:
    """Return the names, other in one sign, that the database takes for this one."""
    charset = collation.partition("_")[0]
    # A sign may stand for several letters.
    texts = [NAME[begin : begin + count] for count in (1, 2, 3) for begin in range(len(NAME) - count + 1)]
    spellings: set[str] = set()

    def ask(expression: str, text: str) -> list[str]:
        converted = f"convert({expression} using {charset}) collate {collation}"
        wanted = f"convert('{text}' using {charset})"
        # What the character set has no room for becomes a question mark.
        where = f"{converted} = {wanted} and sign <> '?'"
        rows = database.execute(f"select hex(convert(sign using utf8mb4)) from t.signs where {where}")
        return [bytes.fromhex(row[0]).decode() for row in rows]

    for text in dict.fromkeys(texts):
        spellings |= {NAME.replace(text, sign, 1) for sign in ask("sign", text)}
    for place in (0, 3, 4, len(NAME)):
        begin, end = NAME[:place], NAME[place:]
        spellings |= {f"{begin}{sign}{end}" for sign in ask(f"concat('{begin}', sign, '{end}')", NAME)}
    return spellings


@pytest.mark.parametrize("collation", COLLATIONS)
def test_no_spelling_that_the_database_takes_for_it_is_let_through(database: MariaDB, collation: str) -> None:
    if not database.execute(f"show collation where collation = '{collation}'"):
        pytest.skip("this MariaDB does not have it")
    spellings = find_spellings(database, collation)
    assert NAME in spellings
    if collation.endswith("_ci"):
        assert {"MCP_default", "mcp_defa\u016blt"} & spellings
    through = []
    for spelling in sorted(spellings):
        request = httpx.Request("POST", f"{ROOT}connections", json={"connection_id": spelling})
        try:
            refuse_policy_change(frozenset({NAME}), request, httpx.URL(ROOT).path)
        except PermissionDenied:
            continue
        through.append(spelling)
    assert not through, [ascii(spelling) for spelling in through[:20]]
