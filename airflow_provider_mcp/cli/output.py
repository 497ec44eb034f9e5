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
"""What the commands print."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def say(text: str = "") -> None:
    """Print a part of the answer."""
    print(text)  # noqa: T201


def remark(text: str) -> None:
    """Print what is not the answer to standard error."""
    print(text, file=sys.stderr)  # noqa: T201


def build_console(*, stderr: bool = False) -> Console:
    """Return a console that has colours where it is a terminal, and prints text as it is."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, soft_wrap=True)


def show_progress(text: str) -> contextlib.AbstractContextManager[object]:
    """Show on a terminal's standard error that something takes a while."""
    console = build_console(stderr=True)
    return console.status(text) if console.is_terminal else contextlib.nullcontext()


def print_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows in columns."""
    from rich.table import Table

    console = build_console()
    if console.is_terminal:
        table = Table(*heads, box=None, pad_edge=False)
        for row in rows:
            table.add_row(*row)
        console.print(table)
        return
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    for row in [[head.upper() for head in heads], *rows]:
        say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def log_to_standard_error(level: int) -> None:
    """Keep what libraries log away from the answer."""
    logging.basicConfig(stream=sys.stderr, level=level, format="%(levelname)s %(name)s: %(message)s")
    # Airflow, once it is imported, logs at its own level: each request would be a line.
    logging.getLogger("httpx").setLevel(logging.WARNING)
