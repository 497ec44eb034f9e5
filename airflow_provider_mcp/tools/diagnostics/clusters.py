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
"""Failures of one kind, whichever task they are of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from airflow_provider_mcp.tools.diagnostics.exceptions import Failure


@dataclass(frozen=True)
class Occurrence:
    """A failed task instance and what its log says."""

    dag_id: str
    dag_run_id: str
    task_id: str
    map_index: int
    try_number: int
    when: str
    failure: Failure | None
    state: str = "failed"
    joined: str | None = None
    """The signature of the failure in another run that this one only passes on."""

    @property
    def signature(self) -> str:
        if self.joined is not None:
            return self.joined
        return self.failure.signature if self.failure else "no exception in the log"


@dataclass(frozen=True)
class Cluster:
    """Failures of one kind, first one first."""

    signature: str
    occurrences: tuple[Occurrence, ...]

    @property
    def first(self) -> Occurrence:
        return self.occurrences[0]

    @property
    def last(self) -> Occurrence:
        return self.occurrences[-1]

    @property
    def tasks(self) -> list[tuple[str, str]]:
        return sorted({(o.dag_id, o.task_id) for o in self.occurrences})

    @property
    def dags(self) -> list[str]:
        return sorted({o.dag_id for o in self.occurrences})

    @property
    def runs(self) -> int:
        return len({(o.dag_id, o.dag_run_id) for o in self.occurrences})

    @property
    def example(self) -> Occurrence:
        """The last failure that is not another's."""
        return next((o for o in reversed(self.occurrences) if o.joined is None), self.last)

    def count(self, state: str) -> int:
        return sum(o.state == state for o in self.occurrences)


def cluster(occurrences: Iterable[Occurrence]) -> list[Cluster]:
    """Group failures by their normalised error, the biggest group first, equal ones by first time."""
    groups: dict[str, list[Occurrence]] = {}
    for occurrence in occurrences:
        groups.setdefault(occurrence.signature, []).append(occurrence)
    clusters = [
        Cluster(
            signature,
            tuple(sorted(group, key=lambda o: (o.when, o.dag_id, o.dag_run_id, o.task_id, o.map_index))),
        )
        for signature, group in groups.items()
    ]
    return sorted(clusters, key=lambda c: (-len(c.occurrences), c.first.when, c.signature))
