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
"""The command line of ``airflow-mcp``: no abbreviations, and no message that repeats a value.

A value may be a credential that stands where it does not belong: ``--token X`` was once read as
``--token-command X``, which ran the token and printed it.
"""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from airflow_provider_mcp.cli.arguments import ENV_PASSWORD, ENV_TOKEN, ENV_USERNAME, MISUSED, Command, Misuse

CREDENTIALS = frozenset({"--token", "--bearer", "--bearer-token", "--password", "--user", "--username"})
"""Options that people expect, and that do not exist: other users of a machine see its command lines."""

_FLAG = re.compile(r"--?[A-Za-z][A-Za-z-]{0,30}")


class Parser(argparse.ArgumentParser):
    """An ``ArgumentParser`` that takes no abbreviations and whose messages repeat no value."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **{**settings, "allow_abbrev": False})

    def parse_known_args(self, *arguments: Any, **settings: Any) -> Any:
        # The parser of a command leaves what it does not know to the outer one, which knows no options.
        known, unknown = super().parse_known_args(*arguments, **settings)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return known, unknown

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(MISUSED, f"{self.prog}: {_without_values(message, self._known_flags())}\n")

    def _known_flags(self) -> list[str]:
        return _FLAG.findall(self.format_help())


def _without_values(message: str, known: Iterable[str]) -> str:
    """Return a message of ``argparse`` without the values that it repeats."""
    unrecognized = message.partition("unrecognized arguments: ")[2]
    if unrecognized:
        return describe_unknown_flags(unrecognized.split(), known)
    name, colon, problem = message.partition(": ")
    choices = re.search(r"\(choose from (.*)\)$", problem)
    if problem.startswith("invalid choice") and choices:
        return f"{name}: it must be one of {choices[1]}"
    kind = re.match(r"invalid (\w+) value", problem)
    if kind:
        return f"{name}: it is no {kind[1]}"
    if problem.startswith(("expected ", "ignored explicit argument")):
        return f"{name}: {problem.partition(' argument')[0]} argument"
    if message.startswith("the following arguments are required: "):
        return message
    return f"{name if colon else 'the command line'} cannot be read"


def describe_unknown_flags(words: Sequence[str], known: Iterable[str]) -> str:
    """Return what is wrong with words that are no option of a command; only option names are repeated."""
    flags = [word.partition("=")[0] for word in words]
    flags = [flag for flag in flags if _FLAG.fullmatch(flag)]
    if not flags:
        return "there is a word too many; put what contains spaces into quotation marks"
    if CREDENTIALS & set(flags):
        return (
            f"there is no option {flags[0]}: other users of this machine could read the credential; put it "
            f"into the environment variable {ENV_TOKEN}, or {ENV_USERNAME} and {ENV_PASSWORD}"
        )
    close = difflib.get_close_matches(flags[0], list(known), n=1)
    return f"there is no option {flags[0]}" + (f"; did you mean {close[0]}?" if close else "; see --help")


def refuse_abbreviations(words: Sequence[str], command: Command) -> None:
    """Refuse what Airflow's own command line, which takes abbreviations, has completed.

    :param words: The command line.
    :raises Misuse: An option is not written as it is named.
    """
    known = {flag for option in command.options for flag in option.flags} | {"-h", "--help"}
    unknown = [word for word in words if word.startswith("--") and word.partition("=")[0] not in known]
    if unknown:
        raise Misuse(describe_unknown_flags(unknown, known))
