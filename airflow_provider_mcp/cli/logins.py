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
"""``airflow-mcp grants``, ``revoke`` and ``token``: what clients may do for people, for an administrator.

They run beside Airflow, with its configuration and its database: who may do that may do anything.
"""

from __future__ import annotations

import argparse
import contextlib
import getpass
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from airflow_provider_mcp.cli.arguments import FAULTY, OK, Misuse
from airflow_provider_mcp.cli.instances import installed_airflow
from airflow_provider_mcp.cli.output import print_table, remark, say

if TYPE_CHECKING:
    from airflow_provider_mcp.oauth.grants import Grant, Grants

MOST_DAYS = 366


def grants(arguments: argparse.Namespace) -> int:
    """List the grants that are in force."""
    with _open_grants() as found:
        rows = list(found.all())
    if arguments.json:
        say(json.dumps([asdict(grant) for grant in rows], indent=2))
        return OK
    print_table(
        ("grant", "user", "client", "kind", "scope", "since", "last used", "until"),
        [
            [
                grant.id,
                grant.user,
                grant.client,
                grant.kind,
                grant.scope,
                _format(grant.created),
                _format(grant.used) if grant.kind == "login" else "",
                _format(grant.until),
            ]
            for grant in rows
        ],
    )
    return OK


def revoke(arguments: argparse.Namespace) -> int:
    """End grants."""
    chosen = [name for name in ("grant", "user", "client", "all") if getattr(arguments, name)]
    if len(chosen) != 1:
        raise Misuse("give one of --grant, --user, --client and --all")
    with _open_grants() as found:
        from airflow_provider_mcp.hosts.logins import record

        ended = [grant for grant in found.all() if _matches(grant, arguments) and found.revoke(grant.id)]
        for grant in ended:
            details = {"grant": grant.id, "client": grant.client, "by": getpass.getuser()}
            record("mcp.login_revoked", grant.user, details)
    say(f"{len(ended)} ended" if ended else "nothing to end")
    return OK if ended or arguments.all else FAULTY


def token(arguments: argparse.Namespace) -> int:
    """Print a token for a machine."""
    if not 1 <= arguments.days <= MOST_DAYS:
        raise Misuse(f"--days must be from 1 to {MOST_DAYS}")
    with _open_grants() as found:
        from airflow_provider_mcp.hosts.logins import explain_off, find_person, record
        from airflow_provider_mcp.oauth.metadata import READ_SCOPE, SCOPES

        obstacle = explain_off()
        if obstacle is not None:
            raise Misuse(f"the endpoint takes no such token: {obstacle}")
        person = find_person(arguments.for_user)
        if person is None:
            raise Misuse("there is no active user of this name in this Airflow")
        scopes = frozenset(SCOPES if arguments.scope == "write" else {READ_SCOPE})
        machine_token = found.issue_to_machine(person, scopes, arguments.days * 86_400, arguments.note)
        details = {"client": arguments.note, "scope": " ".join(sorted(scopes)), "by": getpass.getuser()}
        record("mcp.token_made", person.name, {**details, "days": arguments.days})
    say(machine_token)
    remark("Keep it as a password; `airflow-mcp grants` lists it, `airflow-mcp revoke` ends it.")
    return OK


def _matches(grant: Grant, arguments: argparse.Namespace) -> bool:
    identifiers = (grant.id, grant.user, grant.client)
    return bool(arguments.all) or any(
        mine == wanted
        for mine, wanted in zip(identifiers, (arguments.grant, arguments.user, arguments.client), strict=True)
    )


@contextlib.contextmanager
def _open_grants() -> Iterator[Grants]:
    """Yield the grants of the Airflow that is installed here; what it prints stays out of the answer."""
    if installed_airflow() is None:
        raise Misuse("Airflow is not installed here: run this beside the Airflow whose logins they are")
    with contextlib.redirect_stdout(sys.stderr):
        from airflow_provider_mcp.hosts.logins import open_grants

        found = open_grants()
    yield found


def _format(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="minutes")
