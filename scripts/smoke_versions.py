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
"""Install the built wheel or sdist beside each supported Airflow minor, in clean environments, and call it.

``make versions`` runs every line of the table in docs/tested-versions.rst; ``make versions ONLY=3.1`` one
minor; ``make smoke``, which CI runs, one line of each minor in ``SMOKE``. Each environment is removed after
its use. Airflow is installed first, with ``constraints/versions/airflow-X.Y.txt``, and the provider second,
without any constraint, as an administrator adds a provider to an installation that works.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import csv
import functools
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from devtools.airflow_process import ROOT, AirflowError, AirflowHome, AirflowSite

WORK = ROOT / ".versions"
PAGE = ROOT / "docs" / "tested-versions.rst"
PROVIDER = "apache-airflow-providers-mcp"
PYTHONS = {
    "2.7": ("3.10", "3.11"),
    "2.8": ("3.10", "3.11"),
    "2.9": ("3.10", "3.12"),
    "2.10": ("3.10", "3.12"),
    "2.11": ("3.10", "3.12"),
    "3.0": ("3.10", "3.12"),
    "3.1": ("3.10", "3.13"),
    "3.2": ("3.10", "3.13", "3.14"),
    "3.3": ("3.10", "3.11", "3.12", "3.13", "3.14"),
    "3.4": ("3.11", "3.12", "3.14"),
}
"""The oldest and the newest Python, from 3.10 to 3.14, that each minor allows, and some between."""
SMOKE = ("2.7", "2.11", "3.0", "3.1", "3.2", "3.3")
"""What CI has the time for: the ends of Airflow 2, and each minor of Airflow 3 that is released."""
SDIST = ("2.8", "2.11", "3.0", "3.2")
"""The minors that get the sdist; the others get the wheel."""
RELEASED = {"2.7": "2023-11-08", "3.0": "2025-09-01", "3.2": "2026-05-31"}
"""Two days after the release: what pip then found stands for Airflow's own constraints."""
ALSO = (
    ("2.7", "3.10", "oldest"),
    ("3.0", "3.10", "oldest"),
    ("2.7", "3.11", "of its release"),
    ("3.0", "3.12", "of its release"),
    ("3.2", "3.13", "of its release"),
)
"""Lines with other dependencies than the newest."""
AIRFLOWS_OWN = re.compile("apache-airflow|connexion|fastapi|flask|sqlalchemy|starlette|werkzeug")
"""What the provider must leave alone even where it has to replace other old packages."""
NOTED = ("mcp", "httpx", "pluggy", "pydantic")
"""The packages whose versions the table tells."""
COLUMNS = ("Airflow", "Python", "installed", "dependencies", *NOTED, "web framework", "result")
REFERENCE_TOOLS = {"list_dags", "get_airflow_info", "list_dag_runs", "get_dag", "get_system_health"}
MODERN = "2026-07-28"


class Failed(AirflowError):  # noqa: N818
    """A check did not hold."""


def check(holds: object, otherwise: str) -> None:
    """Fail with ``otherwise`` unless ``holds``."""
    if not holds:
        raise Failed(otherwise)


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def run(command: Sequence[str | Path], env: Mapping[str, str] | None = None) -> str:
    """Run a command; return what it prints, on both streams."""
    done = subprocess.run(
        [str(part) for part in command],
        env=dict(env) if env else None,
        cwd=WORK,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    check(done.returncode == 0, f"`{' '.join(map(str, command))}` failed:\n{done.stdout[-4000:]}")
    return done.stdout


def find_python(version: str) -> Path:
    """Return an interpreter of a minor version: on the path, or of pyenv."""
    pyenv = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python"))
    for candidate in (shutil.which(f"python{version}"), *reversed(pyenv)):
        if candidate is None:
            continue
        asked = [candidate, "-c", "import ensurepip, sys, venv; print('%d.%d' % sys.version_info[:2])"]
        done = subprocess.run(asked, capture_output=True, text=True, check=False)
        if done.stdout.strip() == version:
            return Path(candidate)
    raise Failed(f"there is no Python {version} with venv and ensurepip here")


def python_at_hand(minor: str, preferred: str) -> str | None:
    """Return a Python that a minor allows and this machine has: the preferred one if it is one of them."""
    oldest, newest = (int(version.split(".")[1]) for version in (PYTHONS[minor][0], PYTHONS[minor][-1]))
    allowed = [f"3.{n}" for n in range(newest, oldest - 1, -1)]
    for version in sorted(allowed, key=lambda version: version != preferred):
        with contextlib.suppress(Failed):
            find_python(version)
            return version
    return None


@functools.cache
def installers() -> Path:
    """Return where the newest pip and uv are: they install into the other environments."""
    folder = WORK / "installers"
    if not (folder / "bin" / "uv").exists():
        run([sys.executable, "-m", "venv", folder])
        run([folder / "bin" / "python", "-m", "pip", "install", "-q", "--upgrade", "pip", "uv"])
    return folder / "bin"


@dataclass(frozen=True)
class Built:
    """The two files of a release."""

    wheel: Path
    sdist: Path


def build() -> Built:
    """Build the sdist and, from it, the wheel."""
    shutil.rmtree(WORK / "dist", ignore_errors=True)
    run([sys.executable, "-m", "build", "--no-isolation", "--outdir", WORK / "dist", ROOT])
    (sdist,) = (WORK / "dist").glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.split("/", 1)[-1] for name in archive.getnames()}
    tracked = run(["git", "-C", ROOT, "ls-files", "--cached"]).split()
    missing = sorted(set(tracked) - names - {".ci/run"})
    check(not missing, f"the sdist lacks {missing}")
    (wheel,) = (WORK / "dist").glob("*.whl")
    return Built(wheel, sdist)


def requirements(wheel: Path) -> list[str]:
    """Return the wheel's requirements, Airflow aside."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        metadata = archive.read(name).decode()
    found = re.findall(r"^Requires-Dist: (.+)$", metadata, re.MULTILINE)
    return [requirement for requirement in found if not requirement.startswith("apache-airflow")]


@dataclass(frozen=True)
class Line:
    """One environment to test."""

    minor: str
    python: str
    dependencies: str = "newest"

    @property
    def major(self) -> int:
        return int(self.minor.split(".")[0])

    @property
    def constraints(self) -> Path:
        return ROOT / "constraints" / "versions" / f"airflow-{self.minor}.txt"

    @property
    def release(self) -> str:
        """The exact release: the newest of the minor when its constraints were written."""
        found = re.search(r"^apache-airflow==(\S+)$", self.constraints.read_text(encoding="utf-8"), re.M)
        check(found, f"{self.constraints} names no apache-airflow")
        return found[1] if found else ""

    @property
    def is_prerelease(self) -> bool:
        """Whether there is no final release of the minor yet."""
        return not re.fullmatch(r"[\d.]+", self.release)

    @property
    def slug(self) -> str:
        """A name for its folders."""
        return "-".join((self.minor, self.python, *self.dependencies.split()))

    @property
    def installed(self) -> str:
        """Which of the built files is installed."""
        return "sdist" if self.minor in SDIST else "wheel"

    @property
    def has_fab(self) -> bool:
        """Whether people are kept in Flask-AppBuilder's tables; else the simple auth manager is used."""
        return self.major == 2

    @property
    def has_fab_inside(self) -> bool:
        """Whether Flask-AppBuilder's auth manager is a part of Airflow, not of a provider."""
        return self.minor in ("2.7", "2.8")

    def __str__(self) -> str:
        return (
            f"Airflow {self.release}, Python {self.python}, {self.installed}, "
            f"{self.dependencies} dependencies"
        )


@dataclass
class Environment:
    """A clean environment with Airflow, and a web process in it."""

    line: Line
    site: AirflowSite | None = field(default=None, init=False, repr=False)

    @property
    def folder(self) -> Path:
        return WORK / "env" / self.line.slug

    @functools.cached_property
    def home(self) -> AirflowHome:
        """Its Airflow; nothing of the repository is on a path."""
        options = {
            # `get_config` reads what Airflow hides unless it is told otherwise.
            f"AIRFLOW__{'API' if self.line.major == 3 else 'WEBSERVER'}__EXPOSE_CONFIG": "True",
        }
        if self.line.major == 2:
            # `airflow sync-perm` has done it.
            options[f"AIRFLOW__{'WEBSERVER' if self.line.has_fab_inside else 'FAB'}__UPDATE_FAB_PERMS"] = (
                "False"
            )
        return AirflowHome(
            WORK / "home" / self.line.slug,
            self.folder / "bin",
            self.line.major,
            users=["admin"],
            inherited={k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL"))},
            options=options,
        )

    def pip(self, *arguments: str | Path) -> str:
        """Run pip, as an administrator does to add a provider."""
        command = ["nice", "-n", "10", installers() / "pip", "--disable-pip-version-check"]
        return run([*command, "--python", self.folder / "bin" / "python", *arguments])

    def installed(self) -> dict[str, str]:
        listed = json.loads(self.pip("list", "--format=json").splitlines()[-1])
        return {row["name"].lower().replace("_", "-"): row["version"] for row in listed}

    def install_airflow(self, built: Built) -> None:
        self.remove()
        self.home.folder.mkdir(parents=True)
        constraints = self.line.constraints.read_text(encoding="utf-8")
        how: list[str] = []
        if self.line.dependencies == "of its release":
            constraints, how = "", ["--exclude-newer", RELEASED[self.line.minor]]
        file = self.home.folder / "constraints.txt"
        file.write_text(constraints, encoding="utf-8")
        run([find_python(self.line.python), "-m", "venv", "--without-pip", self.folder])
        wanted = [f"apache-airflow=={self.line.release}"]
        if self.line.has_fab and not self.line.has_fab_inside:
            wanted.append("apache-airflow-providers-fab")
        if self.line.dependencies == "oldest":
            wanted += requirements(built.wheel)
            how = ["--resolution", "lowest-direct"]
        # uv: this part is the scenery, and by far the most of the work.
        uv = ["nice", "-n", "10", installers() / "uv", "pip", "install", "-q", "--system-certs", *how]
        run([*uv, "--python", self.folder / "bin" / "python", "-c", file, *wanted])

    def start(self) -> AirflowSite:
        """Create the database, the users and the example Dags; start the web process."""
        self.home.prepare(ROOT / "examples" / "dags")
        self.home.airflow("dags", "reserialize")
        self.site = AirflowSite(self.home)
        self.site.start_web()
        return self.site

    def stop(self) -> None:
        if self.site is not None:
            self.site.stop()

    def remove(self) -> None:
        self.stop()
        for folder in (self.folder, self.home.folder):
            shutil.rmtree(folder, ignore_errors=True)


def install_provider(site: Environment, built: Built) -> None:
    """Add the provider to a working Airflow; nothing that Airflow brought may change."""
    before = site.installed()
    site.pip(
        "install",
        "-q",
        "--no-compile",
        built.sdist if site.line.installed == "sdist" else built.wheel,
    )
    after = site.installed()
    changed = {name: (was, after.get(name)) for name, was in before.items() if after.get(name) != was}
    if site.line.dependencies == "of its release":
        replaced = ", ".join(f"{n} {old} by {new}" for n, (old, new) in changed.items())
        say(f"{site.line}: the provider replaced {replaced}")
        changed = {name: versions for name, versions in changed.items() if AIRFLOWS_OWN.match(name)}
    check(not changed, f"installing the provider changed {changed}")
    site.pip("check")
    added = ", ".join(sorted(f"{n} {after[n]}" for n in set(after) - set(before)))
    say(f"{site.line}: the provider added {added}")


def check_commands(home: AirflowHome) -> None:
    """``airflow`` shows the provider and the plugin, and says nothing against them."""
    providers = home.airflow("providers", "list", "--output", "plain")
    check(PROVIDER in providers, f"`airflow providers list` does not list it:\n{providers}")
    plugins = home.airflow("plugins", "--output", "json")
    mounted = "fastapi_apps" if home.line == 3 else "flask_blueprints"
    check(
        '"name": "mcp"' in plugins and mounted in plugins, f"`airflow plugins` does not list it:\n{plugins}"
    )
    for output in (providers, plugins):
        for printed in output.lower().splitlines():
            loud = "mcp" in printed and ("warn" in printed or "error" in printed)
            check(not loud, f"an `airflow` command says: {printed}")


def check_endpoint(site: AirflowSite, release: str) -> int:
    """What a stranger and an admin get of the endpoint; return how many tools were called."""
    for method in ("initialize", "tools/list"):
        message = {"jsonrpc": "2.0", "id": 1, "method": method}
        for headers in ({}, {"Authorization": "Basic YWRtaW46d3Jvbmc="}, {"Authorization": "Bearer wrong"}):
            refused = site.request("POST", site.url, message, headers)
            check(refused.status == 401, f"{method} with {headers} answered {refused}\n{site.log()}")
            check(
                refused.headers.get("www-authenticate", "").startswith("Bearer"), f"no challenge: {refused}"
            )
    refused = site.request("GET", site.url)
    check(refused.status == 401, f"GET without a credential answered {refused}")
    refused = site.request("GET", site.url, headers={"Authorization": site.authorization()})
    check(refused.status == 405 and refused.headers.get("allow") == "POST", f"GET answered {refused}")

    person = {"name": "smoke", "version": "1"}
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": person}
    check(site.rpc("initialize", hello)["protocolVersion"] == "2025-11-25", "another version was negotiated")
    meta = {
        f"io.modelcontextprotocol/{key}": value
        for key, value in (("protocolVersion", MODERN), ("clientInfo", person), ("clientCapabilities", {}))
    }
    modern = {"MCP-Protocol-Version": MODERN, "Mcp-Method": "server/discover"}
    found = site.rpc("server/discover", {"_meta": meta}, headers=modern)
    check(MODERN in found["supportedVersions"], f"server/discover answered {found}")
    modern = {"MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/call", "Mcp-Name": "get_airflow_info"}
    call = {"name": "get_airflow_info", "arguments": {}, "_meta": meta}
    info = site.rpc("tools/call", call, headers=modern)["structuredContent"]
    check(info["version"] == release, f"get_airflow_info answered {info}")

    tools = {tool["name"]: tool for tool in site.rpc("tools/list", {})["tools"]}
    check(set(tools) >= REFERENCE_TOOLS, f"tools/list holds only {sorted(tools)}")
    called = list(call_tools(site, tools))
    check(set(called) >= REFERENCE_TOOLS, f"only {called} could be called")
    return len(called)


def call_tools(site: AirflowSite, tools: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Call every read tool that needs no more than a Dag and its run, and trigger one; yield their names."""

    def call(tool: str, **arguments: Any) -> dict[str, Any]:
        result = site.call(tool, **arguments)
        check(not result.get("isError"), f"{tool} {arguments} failed: {result}\n{site.log()}")
        content: dict[str, Any] = result["structuredContent"]
        return content

    listed = call("list_dags")
    check(listed["total"] >= 5, f"list_dags answered {listed}")
    call("trigger_dag", dag_id="demo_params", dag_run_id="smoke", conf={"region": "us"}, unpause=True)
    yield "trigger_dag"
    runs = call("list_dag_runs", dag_id="demo_params")
    check([row["dag_run_id"] for row in runs["dag_runs"]] == ["smoke"], f"list_dag_runs answered {runs}")
    info = call("get_airflow_info", include=["version", "providers", "plugins"])
    check("mcp" in info["plugins"] and PROVIDER in info["providers"], f"get_airflow_info answered {info}")
    known: dict[str, Any] = {
        "dag_id": "demo_params",
        "dag_run_id": "smoke",
        "other_dag_run_id": "smoke",
        "timeout_seconds": 0,
    }
    for name, tool in tools.items():
        required = tool["inputSchema"].get("required", [])
        if tool["annotations"]["readOnlyHint"] and set(required) <= set(known):
            # Of a tool about a Dag, also which run; a list is asked for whole. A lineage is of one thing.
            takes = tool["inputSchema"].get("properties", {}) if required or name == "trace_lineage" else {}
            call(name, **{argument: known[argument] for argument in known if argument in takes})
            yield name


def starts_alone(line: Line, built: Built) -> str | None:
    """Return None if that Airflow works here without the provider, else what it fails with."""
    site = Environment(line)
    try:
        site.install_airflow(built)
        site.start().authorization()
    except AirflowError as failure:
        return str(failure)
    finally:
        site.remove()
    return None


def smoke(line: Line, built: Built, *, keep: bool = False) -> dict[str, str]:
    """Test one line; return its row of the table."""
    began = time.monotonic()
    site = Environment(line)
    row = row_of(line, "")
    try:
        site.install_airflow(built)
        install_provider(site, built)
        has = site.installed()
        frameworks = ("starlette", "fastapi") if line.major == 3 else ("flask", "connexion")
        row |= {
            **{name: has[name] for name in NOTED},
            "web framework": " ".join(f"{n} {has[n]}" for n in frameworks),
        }
        running = site.start()
        check_commands(site.home)
        count = check_endpoint(running, line.release)
    except AirflowError as failure:
        say(f"{line}: FAILED: {failure}")
        site.stop()
        if keep:
            return {**row, "result": "failed"}
        alone = starts_alone(line, built)
        say(f"{line}: that Airflow without the provider: {alone or 'works'}")
        return {**row, "result": "failed" if alone is None else "failed, as that Airflow does alone"}
    finally:
        site.stop()
        if not keep:
            site.remove()
    say(f"{line}: passed in {time.monotonic() - began:.0f} s, {count} tools called")
    return {**row, "result": "passed"}


def smoke_lines(python: str) -> list[Line]:
    """Return a line for each minor of ``SMOKE``, on ``python`` where that minor allows it.

    A minor that allows no Python of this machine is left out, and said so."""
    lines = []
    for minor in SMOKE:
        found = python_at_hand(minor, python)
        if found is None:
            allowed = f"Python {PYTHONS[minor][0]} to {PYTHONS[minor][-1]}"
            say(f"SKIPPED: Airflow {minor} is NOT TESTED: it takes {allowed}, and there is none here")
        else:
            lines.append(Line(minor, found))
    return lines


def has_python(line: Line) -> bool:
    """Return whether this machine has the line's Python; say so if it has not."""
    try:
        find_python(line.python)
    except Failed as missing:
        say(f"SKIPPED: {line} is NOT TESTED: {missing}")
        return False
    return True


def all_lines(pythons: Sequence[str] | None = None) -> list[Line]:
    """Return every line to test; ``pythons`` stand in for the ones that are usually tested."""
    newest = [Line(minor, python) for minor, usual in PYTHONS.items() for python in pythons or usual]
    return [*newest, *(Line(*line) for line in ALSO)]


def row_of(line: Line, result: str) -> dict[str, str]:
    return {
        "Airflow": f"{line.release} (pre-release)" if line.is_prerelease else line.release,
        "Python": line.python,
        "installed": line.installed,
        "dependencies": line.dependencies,
        "result": result,
    }


def row_key(row: Mapping[str, str]) -> tuple[str, ...]:
    return row["Airflow"], row["Python"], row["dependencies"]


def read_table() -> list[dict[str, str]]:
    """Return the rows of the page as it is."""
    if not PAGE.exists():
        return []
    head, table = PAGE.read_text(encoding="utf-8").split(":widths: auto\n\n", 1)
    columns = head.rsplit(":header: ", 1)[1].strip().split(", ")
    lines = [line.strip() for line in table.split("\n\n", 1)[0].splitlines()]
    return [dict(zip(columns, values, strict=True)) for values in csv.reader(lines, skipinitialspace=True)]


def write_table(rows: Sequence[Mapping[str, str]]) -> None:
    """Write the page with these rows, newest Airflow first; lines without a row are shown as not run."""
    rows = list(
        {row_key(row): row for row in (*(row_of(line, "not run") for line in all_lines()), *rows)}.values()
    )

    def order(row: Mapping[str, str]) -> list[int]:
        release, python = (re.findall(r"\d+", row[column]) for column in ("Airflow", "Python"))
        return [-int(number) for number in release[:3]] + [int(number) for number in python]

    licence = (ROOT / "provider.yaml").read_text(encoding="utf-8").splitlines()[:16]
    out = ["..", *(line.replace("#", "   ", 1).rstrip() for line in licence), ""]
    out += [
        ".. Written by scripts/smoke_versions.py: `make versions`.",
        "",
        "Tested versions",
        "===============",
        "",
    ]
    out += INTRODUCTION.strip().splitlines()
    out += ["", ".. csv-table::", f"   :header: {', '.join(COLUMNS)}", "   :widths: auto", ""]
    out += ["   " + ", ".join(f'"{row.get(c, "")}"' for c in COLUMNS) for row in sorted(rows, key=order)]
    out += ["", *AFTER.strip().splitlines()]
    PAGE.write_text("\n".join(out) + "\n", encoding="utf-8")


INTRODUCTION = """
Each line is a clean environment: Airflow was installed first, then the built wheel or sdist without any
constraint. Installing it changed no package that Airflow had brought (but see below), and ``pip check`` found
nothing. With SQLite and the example Dags, ``airflow`` commands listed the provider and the plugin without a
warning; the web process answered 401 without a credential and with a wrong one, and 405 to GET with one;
``initialize`` (2025-11-25), ``server/discover`` (2026-07-28) and ``tools/list`` were answered; a Dag was
triggered; and every tool that reads and needs no more than a Dag and its run was called.
"""
AFTER = """
Newest dependencies are those that pip finds now; oldest are the oldest of the provider's own requirements
that it and Airflow allow together; those of its release are what pip found when that Airflow came out, in
place of Airflow's own constraints. Of these, pip replaces what the MCP SDK needs newer (on Airflow 2.7, for
example, pydantic, anyio, PyJWT and OpenTelemetry), but nothing of Airflow, its web framework or SQLAlchemy.

The provider requires as little as these lines show to work; :doc:`installation` has each requirement with
the reason for its bound. As in Airflow, ``httpx``, ``pluggy`` and ``pydantic`` have no upper bound: no
release of theirs is known to break it. Where a cell is empty, the version was not noted.

Airflow 2.7 is the oldest minor: Airflow 2.6 holds pydantic below 2, and every release of the MCP SDK 2 needs
pydantic 2.12 or later. Where Airflow's own constraints file, which this test does not use, names an older
pydantic, install the provider without that file.

A minor whose own dependencies have since moved on needs pins to work at all, with or without the provider.
They are in ``constraints/versions/``, each with its reason, and they are all that was pinned.

``sse-starlette`` is held at 3.0.3 or older: 3.0.4 and later need starlette 0.49.1, which the FastAPI of
Airflow 3.1 cannot use; pip would replace the older one, and the api-server would not work.
"""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", action="append", choices=PYTHONS, help="only this Airflow minor (repeatable)"
    )
    parser.add_argument("--python", action="append", help="only this Python, for example 3.12 (repeatable)")
    parser.add_argument(
        "--dependencies", action="append", choices=("newest", *dict.fromkeys(line[2] for line in ALSO))
    )
    parser.add_argument("--keep", action="store_true", help="leave the environments in .versions/")
    parser.add_argument("--no-table", action="store_true", help="do not write docs/tested-versions.rst")
    parser.add_argument("--smoke", action="store_true", help="one line of each minor that CI tries")
    parser.add_argument("--jobs", type=int, default=1, help="how many environments at a time")
    given = parser.parse_args()
    if given.smoke:
        lines = smoke_lines(".".join(map(str, sys.version_info[:2])))
    else:
        lines = [
            line
            for line in all_lines(given.python)
            if line.minor in (given.only or PYTHONS)
            and line.python in (given.python or [line.python])
            and line.dependencies in (given.dependencies or [line.dependencies])
            and has_python(line)
        ]
    WORK.mkdir(exist_ok=True)
    built = build()
    installers()
    rows = {row_key(row): row for row in read_table()}
    failed = []
    with concurrent.futures.ThreadPoolExecutor(given.jobs) as pool:
        started = [pool.submit(smoke, line, built, keep=given.keep) for line in lines]
        for done in concurrent.futures.as_completed(started):
            row = done.result()
            rows[row_key(row)] = row
            if row["result"] != "passed":
                failed.append(f"Airflow {row['Airflow']} on Python {row['Python']}")
            if not given.no_table:
                write_table(list(rows.values()))
    if failed:
        say(f"failed: {'; '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
