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
"""The program: attack one server, print a table, and fail if something came of it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from urllib.parse import urlsplit

from tests.live.attack.door import attack_door
from tests.live.attack.exchanges import attack_exchanges
from tests.live.attack.heavy import attack_with_numbers, attack_with_waiting, attack_with_weight
from tests.live.attack.rights import attack_rights
from tests.live.attack.target import Row, Target

LOOPBACK = {"127.0.0.1", "localhost", "::1"}

EXCHANGES = 5000
FLOODS = 40
WAIT_SECONDS = 20
"""How many there are in a whole attack."""

HEADINGS = ("wave", "tried", "got in", "above rights", "faults", "slowest answer", "slowest health")


def attack(target: Target, share: float = 1.0, wanted: frozenset[str] = frozenset()) -> list[Row]:
    """Attack a server in waves, one after the other.

    :param share: How much of the whole attack, from 0 to 1.
    :param wanted: The waves to send; all if empty.
    """
    waves: dict[str, Callable[[Row], None]] = {
        # Of a small attack, most is what costs least.
        "door": lambda row: attack_door(target, row, share**0.5),
        "exchanges": lambda row: attack_exchanges(target, row, round(EXCHANGES * share)),
        "rights": lambda row: attack_rights(target, row, share**0.5),
        "weight": lambda row: attack_with_weight(target, row, share),
        "waiting": lambda row: attack_with_waiting(target, row, max(3, round(WAIT_SECONDS * share))),
        "numbers": lambda row: attack_with_numbers(target, row, max(1, round(FLOODS * share))),
    }
    rows = []
    for name, send in waves.items():
        if not wanted or name in wanted:
            row = Row(name)
            if name in {"weight", "waiting", "numbers"}:
                send(row)
            else:
                with target.watching_health(row):
                    send(row)
            rows.append(row)
    return rows


def draw(rows: list[Row]) -> str:
    """Return the table of what came of it."""
    lines = [
        (
            row.wave,
            str(row.tried),
            *(str(len(found)) for found in (row.got_in, row.above_rights, row.faults)),
            f"{row.slowest:.2f} s",
            f"{row.health:.2f} s",
        )
        for row in rows
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in (HEADINGS, ("---",) * len(HEADINGS), *lines))


def list_findings(rows: list[Row]) -> list[str]:
    """Return a sentence for all that came of it."""
    return [
        f"{row.wave}, {kind}: {text}"
        for row in rows
        for kind, found in (("got in", row.got_in), ("above rights", row.above_rights), ("fault", row.faults))
        for text in found
    ]


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.live.attack",
        description="Attack a running MCP server of an Airflow of your own, with some "
        f"{EXCHANGES + 1500} requests. Nothing is changed unless an attack succeeds; what it then makes "
        "is named mcp-attack. The viewer's credential is tried in an address, too, which access logs keep.",
    )
    parser.add_argument("--url", required=True, help="the endpoint, such as http://127.0.0.1:8080/mcp/v1")
    parser.add_argument(
        "--authorization",
        default=os.environ.get("ATTACK_AUTHORIZATION"),
        help="the Authorization header of an administrator (default: $ATTACK_AUTHORIZATION)",
    )
    parser.add_argument(
        "--viewer",
        default=os.environ.get("ATTACK_VIEWER"),
        help="that of one who may only read (default: $ATTACK_VIEWER)",
    )
    parser.add_argument("--share", type=float, default=1.0, help="how much of it, such as 0.1")
    parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same attack")
    parser.add_argument("--wave", action="append", default=[], help="only this wave; may be repeated")
    parser.add_argument("--anywhere", action="store_true", help="attack another machine, which you may do")
    arguments = parser.parse_args()
    if not arguments.authorization or not arguments.viewer:
        parser.error("give both credentials, by an option or by the environment")
    if urlsplit(arguments.url).hostname not in LOOPBACK and not arguments.anywhere:
        parser.error("this is another machine; if you may attack it, add --anywhere")
    target = Target(arguments.url, arguments.authorization, arguments.viewer, arguments.seed)
    rows = attack(target, arguments.share, frozenset(arguments.wave))
    print(draw(rows))  # noqa: T201
    for finding in list_findings(rows):
        print(finding)  # noqa: T201
    return 0 if all(row.is_clean for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
