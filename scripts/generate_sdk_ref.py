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
"""Write docs/sdk-ref.rst: every name of ``airflow_provider_mcp.sdk``, from the code.

With ``--check`` only say whether it is up to date. It runs where the package is installed.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from airflow_provider_mcp import sdk

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "sdk-ref.rst"

INTRODUCTION = """\
SDK reference
=============

Every name that ``airflow_provider_mcp.sdk`` offers to authors of tools, as the code has it.
:doc:`writing-tools` shows how they are used together, :doc:`client` what a tool can do beside returning
data, :doc:`hooks-ref` the hooks.

.. contents:: On this page
   :local:
   :depth: 1
"""


def find_module(name: str) -> ModuleType:
    """Return the module that a name of the SDK stands in."""
    value = getattr(sdk, name)
    module = getattr(value, "__module__", "")
    if module.startswith(sdk.__name__):
        return importlib.import_module(module)
    imports = ast.parse(inspect.getsource(sdk)).body
    (source,) = (
        node.module
        for node in imports
        if isinstance(node, ast.ImportFrom) and name in {alias.name for alias in node.names} and node.module
    )
    return importlib.import_module(source)


def read_notes(body: list[ast.stmt]) -> Iterator[tuple[str, str, str]]:
    """Yield name, type or value, and docstring of what is assigned in a module or a class."""
    for node, after in zip(body, [*body[1:], None], strict=True):
        if not isinstance(node, (ast.Assign, ast.AnnAssign)):
            continue
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        if not isinstance(target, ast.Name) or target.id.startswith("_"):
            continue
        note = ""
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            note = inspect.cleandoc(str(after.value.value))
        annotation = ast.unparse(node.annotation) if isinstance(node, ast.AnnAssign) else ""
        value = ast.unparse(node.value) if node.value is not None else ""
        yield target.id, value if annotation in {"", "TypeAlias"} else annotation, note


def write_signature(value: Any) -> str:
    """Return a signature as the source has it, on one line."""
    signature = inspect.signature(value)
    kept = [each for name, each in signature.parameters.items() if name not in {"self", "cls"}]
    text = str(signature.replace(parameters=kept))
    text = re.sub(r"airflow_provider_mcp\.sdk\.\w+\.|typing\.|collections\.abc\.", "", text)
    # Without what differs between interpreters.
    return re.sub(r"<[^>]+>", "...", text).replace("'", "").replace('\\"', "")


def indent(text: str, by: int = 3) -> list[str]:
    """Return a docstring's lines, further in; its code is marked as such."""
    marked = re.sub(r"::$", ":\n\n.. code-block:: python", inspect.cleandoc(text), flags=re.MULTILINE)
    return [f"{' ' * by}{line}".rstrip() for line in marked.splitlines()]


def find_bodies(cls: type) -> Iterator[ast.ClassDef]:
    """Yield the definition of a class and those of its bases that have no name of their own for authors."""
    for each in cls.__mro__:
        if each is not cls and (
            not each.__name__.startswith("_") or not each.__module__.startswith("airflow_")
        ):
            continue
        tree = ast.parse(inspect.getsource(importlib.import_module(each.__module__)))
        yield from (n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == each.__name__)


def describe_method(method: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    note = indent(ast.get_docstring(method) or "", 6)
    if "property" in {ast.unparse(mark) for mark in method.decorator_list}:
        return [f"   .. py:property:: {method.name}", "", *note, ""]
    arguments = [each for each in ast.unparse(method.args).split(", ") if each not in {"self", "cls"}]
    returns = f" -> {ast.unparse(method.returns)}" if method.returns is not None else ""
    out = [f"   .. py:method:: {method.name}({', '.join(arguments)}){returns}"]
    out += ["      :async:"] if isinstance(method, ast.AsyncFunctionDef) else []
    return [*out, "", *note, ""]


def describe_class(name: str, cls: type) -> list[str]:
    bases = [b.__name__ for b in cls.__bases__ if getattr(sdk, b.__name__, None) is b]
    bases += [f"{b.__module__.split('.')[0]}.{b.__name__}" for b in cls.__bases__ if "httpx" in b.__module__]
    out = [f".. py:class:: {name}", ""]
    out += [f"   A kind of {' and '.join(f'``{base}``' for base in bases)}.", ""] if bases else []
    out += [*indent(inspect.getdoc(cls) or ""), ""]
    documented: set[str] = set()
    for node in find_bodies(cls):
        for field, kind, note in read_notes(node.body):
            if field != "model_config" and field not in documented:
                documented.add(field)
                out += [f"   .. py:attribute:: {field}", f"      :type: {kind}", ""]
                out += [*indent(note, 6), ""] if note else []
        for method in node.body:
            if (
                isinstance(method, (ast.FunctionDef, ast.AsyncFunctionDef))
                and not method.name.startswith("_")
                and ast.get_docstring(method)
                and method.name not in documented
            ):
                documented.add(method.name)
                out += describe_method(method)
    return out


def describe(name: str) -> list[str]:
    """Return what the page says of a name."""
    value, module = getattr(sdk, name), find_module(name)
    tree = ast.parse(inspect.getsource(module))
    out = [name, "-" * len(name), ""]
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return out + describe_class(name, value)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == name:
            out += [f".. py:function:: {name}{write_signature(value)}"]
            out += ["   :async:"] if isinstance(node, ast.AsyncFunctionDef) else []
            return [*out, "", *indent(ast.get_docstring(node) or ""), ""]
    for found, kind, note in read_notes(tree.body):
        if found == name:
            return [*out, f".. py:data:: {name}", f"   :value: {kind}", "", *indent(note), ""]
    raise LookupError(f"{name} is not defined in {module.__name__}")


def write_page() -> str:
    """Return the page of all names."""
    licence = (ROOT / "provider.yaml").read_text(encoding="utf-8").splitlines()[:16]
    out = ["..", *(line.replace("#", "   ", 1).rstrip() for line in licence), ""]
    out += [".. Written by scripts/generate_sdk_ref.py from the code.", "", INTRODUCTION]
    for name in sorted(sdk.__all__, key=str.lower):
        out += describe(name)
    return "\n".join(out).rstrip() + "\n"


def main() -> int:
    page = write_page()
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == page:
        return 0
    if "--check" in sys.argv:
        print("docs/sdk-ref.rst is out of date; run `make generate`", file=sys.stderr)
        return 1
    PAGE.write_text(page, encoding="utf-8")
    print("wrote docs/sdk-ref.rst")
    return 0


if __name__ == "__main__":
    sys.exit(main())
