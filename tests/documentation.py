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
"""The code blocks of the documentation, as its tests read them."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "docs").glob("*.rst")) + [
    ROOT / name for name in ("README.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md")
]
_SHOWS_CODE = re.compile(
    r"\s*\.\. (code-block|literalinclude|code|sourcecode|parsed-literal|highlight)::\s*(.*)"
)


@dataclass(frozen=True)
class Block:
    """One block of code.

    :param language: What it is written in; the directive itself for one that ought not to be used.
    :param included: The file that it shows, for a ``literalinclude``.
    """

    page: str
    line: int
    language: str
    text: str = ""
    included: Path | None = None
    options: dict[str, str] = field(default_factory=dict)

    @property
    def where(self) -> str:
        return f"{self.page}:{self.line}"


def collect_blocks(page: Path) -> list[Block]:
    """Return all blocks of code of a page, in order."""
    lines = page.read_text(encoding="utf-8").splitlines()
    return list(_of_markdown(page, lines) if page.suffix == ".md" else _of_rst(page, lines))


def _of_markdown(page: Path, lines: list[str]) -> list[Block]:
    blocks, begun = [], None
    for number, line in enumerate(lines, 1):
        if not line.lstrip().startswith("```"):
            continue
        if begun is None:
            begun = (number, line.strip().strip("`"))
        else:
            text = textwrap.dedent("\n".join(lines[begun[0] : number - 1]))
            language, _, name = begun[1].partition(" name=")
            options = {"name": name} if name else {}
            blocks.append(Block(page.name, begun[0], language or "no language", text, options=options))
            begun = None
    assert begun is None, f"{page.name}: the block of line {begun} does not end"
    return blocks


def _of_rst(page: Path, lines: list[str]) -> list[Block]:
    blocks = []
    for number, line in enumerate(lines, 1):
        found = _SHOWS_CODE.fullmatch(line)
        if found is None:
            if line.rstrip().endswith("::") and not line.lstrip().startswith(".. "):
                blocks.append(Block(page.stem, number, "a paragraph that ends in ::"))
            continue
        directive, argument = found.groups()
        indent = len(line) - len(line.lstrip())
        inner: list[str] = []
        for following in lines[number:]:
            if following.strip() and len(following) - len(following.lstrip()) <= indent:
                break
            inner.append(following)
        options: dict[str, str] = {}
        while inner and (option := re.fullmatch(r"\s+:([\w-]+):\s*(.*)", inner[0])):
            options[option[1]] = option[2]
            inner.pop(0)
        text = textwrap.dedent("\n".join(inner)).strip("\n")
        if directive == "code-block":
            blocks.append(Block(page.stem, number, argument, text, None, options))
        elif directive == "literalinclude":
            file = (page.parent / argument).resolve()
            blocks.append(Block(page.stem, number, "included", "", file, options))
        else:
            blocks.append(Block(page.stem, number, f"the directive {directive}"))
    return blocks


def named_block(page: str, name: str) -> str:
    """Return the text of the block with this name: ``:name:`` in a page of docs, ``name=`` in a ``.md``."""
    file = ROOT / page if page.endswith(".md") else ROOT / "docs" / f"{page}.rst"
    (block,) = (block for block in collect_blocks(file) if block.options.get("name") == name)
    return block.text
