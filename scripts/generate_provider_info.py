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
"""Write what follows from provider.yaml; with --check only say whether it is up to date."""

from __future__ import annotations

import pprint
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
# Keys of provider.yaml that Airflow's own generator leaves out of the run-time metadata.
SOURCE_ONLY = ("source-date-epoch", "state", "versions")


def provider_info() -> dict[str, Any]:
    source: dict[str, Any] = yaml.safe_load((ROOT / "provider.yaml").read_text(encoding="utf-8"))
    return {key: value for key, value in source.items() if key not in SOURCE_ONLY}


def licence() -> str:
    lines = (ROOT / "provider.yaml").read_text(encoding="utf-8").splitlines()
    return "\n".join(lines[:16]) + "\n"


def as_module(info: dict[str, Any]) -> str:
    body = pprint.pformat(info, width=96, sort_dicts=False)
    return (
        f"{licence()}# Written by scripts/generate_provider_info.py from provider.yaml.\n"
        "# fmt: off\n"
        "from __future__ import annotations\n\n"
        "from typing import Any\n\n\n"
        "def get_provider_info() -> dict[str, Any]:\n"
        f"    return {body}\n"
    )


def as_rst(info: dict[str, Any]) -> str:
    out = [
        "..",
        *(line.replace("#", "   ", 1).rstrip() for line in licence().splitlines()),
        "",
        ".. Written by scripts/generate_provider_info.py from provider.yaml.",
        "",
        "Configuration reference",
        "=======================",
    ]
    for name, section in info["config"].items():
        out += ["", f"[{name}]", "-" * (len(name) + 2), "", section["description"].strip()]
        for option, spec in section["options"].items():
            out += ["", f".. _config:{name}__{option}:", "", option, "~" * len(option), ""]
            out += [spec["description"].strip(), ""]
            out += [f":Type: {spec['type']}", f":Default: ``{spec['default'] or chr(39) * 2}``"]
            if spec["example"] is not None:
                out.append(f":Example: ``{spec['example']}``")
            out.append(f":Environment variable: ``AIRFLOW__{name.upper()}__{option.upper()}``")
            out.append(f":Added in: {spec['version_added']}")
    return "\n".join(out) + "\n"


def main() -> int:
    info = provider_info()
    stale = []
    for relative, text in (
        ("airflow_provider_mcp/get_provider_info.py", as_module(info)),
        ("docs/configurations-ref.rst", as_rst(info)),
    ):
        target = ROOT / relative
        if target.exists() and target.read_text(encoding="utf-8") == text:
            continue
        stale.append(relative)
        if "--check" not in sys.argv:
            target.write_text(text, encoding="utf-8")
            print(f"wrote {relative}")
    if stale and "--check" in sys.argv:
        print(f"out of date: {', '.join(stale)}; run `make generate`", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
