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
"""Regular expressions that take time linear in the text, whatever they are.

Callers write the patterns, and Python's own ``re`` takes exponential time for some of them, in a thread
that nothing can stop. RE2 would do, but ``google-re2`` comes with Airflow 2 alone and has no wheels for
Alpine: it cannot be a dependency of every installation, and two engines would give two answers. Of Python
the parser alone is used, which has no public name: ``tests/unit/tools/test_patterns.py`` fails when what it
returns changes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from airflow_provider_mcp.sdk import JSON, InvalidArgument

# The one private name of Python that is used.
try:
    from re import _constants as sre  # type: ignore[attr-defined]
    from re import _parser as parser  # type: ignore[attr-defined]
except ImportError:  # Python 3.10
    import sre_constants as sre
    import sre_parse as parser

MAX_PATTERN_CHARS = 200
MAX_STEPS = 1000
"""Steps of a pattern with its counted repetitions written out."""
MAX_CACHED = 2000
"""Remembered states of a pattern: what bounds its memory."""

_Matches = Callable[[str], bool]
_CATEGORIES: dict[JSON, _Matches] = {
    sre.CATEGORY_DIGIT: str.isdigit,
    sre.CATEGORY_NOT_DIGIT: lambda char: not char.isdigit(),
    sre.CATEGORY_SPACE: str.isspace,
    sre.CATEGORY_NOT_SPACE: lambda char: not char.isspace(),
    sre.CATEGORY_WORD: lambda char: char.isalnum() or char == "_",
    sre.CATEGORY_NOT_WORD: lambda char: not (char.isalnum() or char == "_"),
}


def compile_pattern(text: str) -> Pattern:
    """Compile a regular expression in Python's syntax, without look-around and back references.

    :raises ToolError: ``invalid_argument`` if it is none, or needs what cannot be matched in bounded time.
    """
    hint = "Use a plain text or a simpler regular expression."
    if len(text) > MAX_PATTERN_CHARS:
        raise InvalidArgument(f"The pattern is longer than {MAX_PATTERN_CHARS} characters.", hint=hint)
    try:
        parsed = parser.parse(text)
        return _build(parsed, parsed.state.flags)
    except (re.error, OverflowError, RecursionError) as wrong:
        raise InvalidArgument(f"The pattern is not a regular expression: {wrong}.", hint=hint) from None
    except _Unbounded as unbounded:
        raise InvalidArgument(
            f"The pattern has {unbounded}, which cannot be matched in bounded time.",
            hint=hint,
        ) from None


class _Unbounded(Exception):  # noqa: N818
    pass


@dataclass
class _Step:
    """One step: go to each of ``to`` if the character (or, without one, the place) is right."""

    matches: _Matches | None = None
    place: JSON = None
    to: list[int] = field(default_factory=list)


@dataclass
class _State:
    """The steps a text has led to, and by which character it goes on to which state."""

    steps: frozenset[int]
    before: str
    """What kind of character came last: ``start``, ``word`` or ``other``."""
    on: dict[str | None, _State | None] = field(default_factory=dict)
    """By the next character (None: the end of the text); a state of None has matched."""


class Pattern:
    """A compiled pattern: an automaton whose states are made, and remembered, as texts lead to them."""

    def __init__(self, steps: list[_Step], start: int, end: int) -> None:
        self._steps, self._start, self._end = steps, start, end
        self._forget()

    def _forget(self) -> None:
        self._cached = 0
        self._states: dict[tuple[frozenset[int], str], _State] = {}
        self._first = self._state(frozenset(), "start")

    def search(self, text: str) -> bool:
        """Say whether the pattern is found anywhere in the text, a line without its line break."""
        state = self._first
        for char in text:
            try:
                following = state.on[char]
            except KeyError:
                following = self._go_on(state, char)
            if following is None:
                return True
            state = following
        if None not in state.on:
            self._go_on(state, None)
        return state.on[None] is None

    def _state(self, steps: frozenset[int], before: str) -> _State:
        return self._states.setdefault((steps, before), _State(steps, before))

    def _go_on(self, state: _State, char: str | None) -> _State | None:
        """Return, and remember, where a state goes by a character."""
        if self._cached >= MAX_CACHED:
            self._forget()
        self._cached += 1
        after = "end" if char is None else _kind(char)
        reached: set[int] = set()
        todo = [self._start, *state.steps]
        following: set[int] = set()
        found: _State | None = None
        while todo:
            number = todo.pop()
            if number in reached:
                continue
            reached.add(number)
            if number == self._end:
                state.on[char] = None
                return None
            step = self._steps[number]
            if step.matches is not None:
                if char is not None and step.matches(char):
                    following.update(step.to)
            elif step.place is None or _is_at(step.place, state.before, after):
                todo += step.to
        found = self._state(frozenset(following), after) if char is not None else state
        state.on[char] = found
        return found


def _kind(char: str) -> str:
    return "word" if char.isalnum() or char == "_" else "other"


def _is_at(place: JSON, before: str, after: str) -> bool:
    if place in (sre.AT_BEGINNING, sre.AT_BEGINNING_STRING):
        return before == "start"
    if place in (sre.AT_END, sre.AT_END_STRING):
        return after == "end"
    at_boundary = (before == "word") != (after == "word")
    return at_boundary if place is sre.AT_BOUNDARY else not at_boundary


def _build(parsed: JSON, flags: int) -> Pattern:
    if flags & (re.ASCII | re.LOCALE | re.MULTILINE):
        raise _Unbounded("a flag other than i, s and x")
    steps: list[_Step] = []

    def add(**what: JSON) -> int:
        if len(steps) >= MAX_STEPS:
            raise _Unbounded("too large a repetition")
        steps.append(_Step(**what))
        return len(steps) - 1

    def sequence(items: JSON, begin: int, flags: int) -> int:
        """Add the steps of a sequence after ``begin``; return where it ends."""
        for code, what in items:
            begin = one(code, what, begin, flags)
        return begin

    def one(code: JSON, what: JSON, begin: int, flags: int) -> int:
        end = add()
        if code is sre.AT:
            steps[begin].to.append(add(place=what, to=[end]))
        elif code is sre.SUBPATTERN:
            _, added, removed, items = what
            steps[sequence(items, begin, (flags | added) & ~removed)].to.append(end)
        elif code is sre.BRANCH:
            for items in what[1]:
                branch = add()
                steps[begin].to.append(branch)
                steps[sequence(items, branch, flags)].to.append(end)
        elif code in (sre.MAX_REPEAT, sre.MIN_REPEAT):
            least, most, items = what
            for _ in range(least):
                begin = sequence(items, begin, flags)
            if most is sre.MAXREPEAT:
                again = add(to=[end])
                steps[begin].to.append(again)
                steps[sequence(items, again, flags)].to.append(again)
            else:
                steps[begin].to.append(end)
                for _ in range(most - least):
                    # A step of its own: what repeats nothing would otherwise add to itself.
                    before = add()
                    steps[begin].to.append(before)
                    begin = sequence(items, before, flags)
                    steps[begin].to.append(end)
        else:
            steps[begin].to.append(add(matches=_character(code, what, flags), to=[end]))
        return end

    start = add()
    end = sequence(parsed, start, flags)
    last = add()
    steps[end].to.append(last)
    return Pattern(steps, start, last)


def _character(code: JSON, what: JSON, flags: int) -> _Matches:
    """Return the test of a single character that an item of a parsed pattern stands for."""
    if code is sre.ANY:
        return (lambda _: True) if flags & re.DOTALL else (lambda char: char != "\n")
    if code is sre.LITERAL:
        matches = _match_any([(code, what)])
    elif code is sre.NOT_LITERAL:
        return _negated(_cased(_match_any([(sre.LITERAL, what)]), flags))
    elif code is sre.IN:
        if what[0][0] is sre.NEGATE:
            return _negated(_cased(_match_any(what[1:]), flags))
        matches = _match_any(what)
    elif code in (sre.ASSERT, sre.ASSERT_NOT):
        raise _Unbounded("a look-ahead or look-behind")
    elif code in (sre.GROUPREF, sre.GROUPREF_EXISTS):
        raise _Unbounded("a back reference")
    else:
        raise _Unbounded(f"{str(code).lower().replace('_', ' ')}s")
    return _cased(matches, flags)


def _cased(matches: _Matches, flags: int) -> _Matches:
    if not flags & re.IGNORECASE:
        return matches
    return lambda char: matches(char) or matches(char.lower()) or matches(char.upper())


def _negated(matches: _Matches) -> _Matches:
    return lambda char: not matches(char)


def _match_any(items: JSON) -> _Matches:
    tests: list[_Matches] = []
    singles: set[str] = set()
    for code, what in items:
        if code is sre.LITERAL:
            singles.add(chr(what))
        elif code is sre.RANGE:
            low, high = chr(what[0]), chr(what[1])
            tests.append(lambda char, low=low, high=high: low <= char <= high)  # type: ignore[misc]
        else:
            tests.append(_CATEGORIES[what])
    if not tests:
        return singles.__contains__
    return lambda char: char in singles or any(test(char) for test in tests)


def iterate_lines(text: str) -> Iterator[str]:
    """Yield a text's lines, at least one."""
    yield from text.splitlines() or [""]


def find_required_text(text: str) -> str:
    """Return a text that every matching line has, as it is written in JSON too; empty if none is known."""
    try:
        parsed = parser.parse(text)
    except (re.error, OverflowError, RecursionError):
        return ""
    if parsed.state.flags & re.IGNORECASE:
        return ""
    runs = [""]
    for code, what in parsed:
        char = chr(what) if code is sre.LITERAL else ""
        if char.isascii() and char.isprintable() and char not in {"", '"', "\\", "/"}:
            runs[-1] += char
        else:
            runs.append("")
    return max(runs, key=len)
