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
"""The floors of the house: which floor each module stands on, and that no import runs up."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "airflow_provider_mcp"

FLOORS = (
    (
        "loaded in every process of Airflow",
        "__init__ connection_fields get_provider_info",
    ),
    (
        "what tool authors import",
        "sdk sdk.airflow sdk.arguments sdk.binding sdk.client sdk.coercion sdk.content sdk.errors sdk.guards "
        "sdk.hookspecs sdk.injection sdk.jobs "
        "sdk.json_types sdk.masking sdk.near_misses sdk.pages sdk.plain_schemas sdk.prompts sdk.resources "
        "sdk.rest_errors sdk.schemas "
        "sdk.secret_forms sdk.signatures sdk.tool",
    ),
    (
        "the built-in tools",
        "tools tools.admin tools.admin.audit_log tools.admin.config tools.admin.connections "
        "tools.admin.info tools.admin.pools tools.admin.stored tools.admin.variables tools.api "
        "tools.api.calls tools.api.document tools.api.routing tools.api.search tools.assets tools.backfills "
        "tools.dag_tools tools.dag_tools.listing tools.dag_tools.results tools.dag_tools.running "
        "tools.dag_tools.schemas tools.dags tools.diagnostics tools.diagnostics.comparison "
        "tools.diagnostics.exceptions "
        "tools.diagnostics.health tools.diagnostics.history tools.diagnostics.import_errors "
        "tools.diagnostics.asset_conditions tools.diagnostics.waiting_dag_rules "
        "tools.diagnostics.waiting_process_rules tools.diagnostics.waiting_reads "
        "tools.diagnostics.waiting_task_rules "
        "tools.diagnostics.clusters tools.diagnostics.failure_groups tools.diagnostics.failures "
        "tools.diagnostics.green_runs tools.diagnostics.run_differences "
        "tools.diagnostics.log_lines tools.diagnostics.other_runs tools.diagnostics.previous_runs "
        "tools.diagnostics.process_ends "
        "tools.diagnostics.skips tools.diagnostics.sources tools.diagnostics.summary "
        "tools.diagnostics.timeouts tools.diagnostics.tracebacks "
        "tools.diagnostics.reading tools.diagnostics.resolve tools.diagnostics.runs "
        "tools.diagnostics.changes tools.diagnostics.lineage tools.diagnostics.waiting_facts "
        "tools.diagnostics.bundles tools.diagnostics.version_diff "
        "tools.diagnostics.statistics tools.diagnostics.trends tools.diagnostics.ui_urls "
        "tools.diagnostics.waiting tools.diagnostics.waiting_rules tools.patterns tools.prompts "
        "tools.resources tools.runs tools.runs.changes tools.runs.conf tools.runs.jobs tools.runs.reading "
        "tools.runs.results tools.runs.trigger tools.shared tools.shared.arguments "
        "tools.shared.configuration tools.shared.icons tools.shared.instances tools.shared.latest "
        "tools.shared.links tools.shared.reach tools.shared.sources "
        "tools.shared.masking tools.shared.matching tools.shared.previews "
        "tools.shared.reads tools.shared.regions tools.shared.rows tools.shared.versions "
        "tools.shared.xcoms tools.tasks "
        "tools.tasks.changes tools.tasks.hitl tools.tasks.instances tools.tasks.log_lines "
        "tools.tasks.log_reading tools.tasks.log_search tools.tasks.log_window tools.tasks.logs "
        "tools.tasks.xcom",
    ),
    (
        "one exchange, whatever the host",
        "server server.acting server.approval server.build server.caller_tools server.calls "
        "server.catalogue server.claims server.clients server.confirmation "
        "server.cutting server.extensions server.failures server.foreign_text server.identifiers "
        "server.jobs "
        "server.observing server.plugin_slips "
        "server.plugins server.policy server.policy_source server.prompts "
        "server.rates server.request server.resources server.rounds server.running server.shaping "
        "server.signing server.vetoes "
        "server.wire",
    ),
    (
        "HTTP in and out, without Airflow and without a web framework",
        "endpoint endpoint.asgi endpoint.door endpoint.elsewhere endpoint.exchange endpoint.loops "
        "endpoint.protocol "
        "endpoint.serve endpoint.tracing endpoint.wsgi",
    ),
    (
        "login for clients without a token, and the pages for people",
        "oauth oauth.authorization oauth.clients oauth.documents oauth.errors oauth.grants oauth.login "
        "oauth.metadata oauth.pages oauth.redirects oauth.requests oauth.sealing oauth.store "
        "web web.calls web.client_configs web.confirm web.connect web.diagnose web.faults web.forms "
        "web.grants web.host web.rendering web.respond web.sentences web.tools",
    ),
    (
        "the seam to Airflow 2 and 3",
        "hosts hosts.airflow2 hosts.airflow2.backends hosts.airflow2.browser hosts.airflow2.calls "
        "hosts.airflow2.known_credentials hosts.airflow2.mount "
        "hosts.airflow2.rest hosts.airflow2.rest.admin hosts.airflow2.rest.assets "
        "hosts.airflow2.rest.filters hosts.airflow2.rest.logs hosts.airflow2.rest.requests "
        "hosts.airflow2.rest.routes hosts.airflow2.rest.rows hosts.airflow2.rest.runs "
        "hosts.airflow2.rest.serve hosts.airflow2.rest.task_instances hosts.airflow2.serving "
        "hosts.airflow2.waiting "
        "hosts.airflow3 hosts.airflow3.browser hosts.airflow3.calls hosts.airflow3.mount "
        "hosts.airflow3.permissions "
        "hosts.airflow3.serving hosts.airflow3.turns "
        "hosts.audit_log hosts.claims hosts.connections hosts.database hosts.log_table hosts.metrics "
        "hosts.once hosts.options hosts.page_urls hosts.queries hosts.service hosts.tracing "
        "hosts.airflow2.users hosts.airflow3.users hosts.grant_rows hosts.logins",
    ),
    (
        "an Airflow elsewhere",
        "remote remote.auth remote.build remote.client remote.errors remote.gateway remote.http "
        "remote.instance remote.serve remote.several remote.target remote.token_command "
        "remote.tokens remote.version",
    ),
    (
        "what Airflow and people start",
        "cli cli.__main__ cli.airflow_command cli.arguments cli.check "
        "cli.commands cli.config cli.endpoint_check cli.instances cli.lock cli.logins cli.new_provider "
        "cli.output "
        "cli.parser cli.report cli.serve cli.tools hooks hooks.airflow_mcp plugin "
        "testing testing.definitions testing.recording testing.tester",
    ),
)
"""From the ground up. A new module needs a row: it may import from its own floor and from those below."""

FLOOR = {module: number for number, (_, modules) in enumerate(FLOORS) for module in modules.split()}
AIRFLOW_IS_KNOWN_TO = ("hosts", "hooks", "plugin", "cli.airflow_command")
"""All others work without an Airflow beside them."""
WEB_IS_KNOWN_TO = (
    *(f"hosts.airflow{line}.{module}" for line in (2, 3) for module in ("mount", "serving")),
    # An API backend of Airflow 2 and the context of a call within a call are Flask's.
    "hosts.airflow2.backends",
    "hosts.airflow2.calls",
    "hosts.airflow2.known_credentials",
)


def modules() -> Iterator[tuple[str, Path]]:
    """Return each module by its name within the package; a folder's ``__init__`` has the folder's name."""
    for file in sorted(PACKAGE.rglob("*.py")):
        parts = file.relative_to(PACKAGE).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts) or "__init__", file


MODULES = dict(modules())


@functools.cache
def imports(module: str) -> frozenset[str]:
    """Return the full names of all that a module imports, inside functions too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are absolute"
            # The sdk re-exports names that modules inside it have too.
            face = node.module == "airflow_provider_mcp.sdk"
            names.update(node.module if face else f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(names)


def our_module(name: str) -> str | None:
    """Return which module of the package a full name is of; None for what is not ours."""
    if name.split(".", 1)[0] != "airflow_provider_mcp":
        return None
    within = name.partition(".")[2]
    while within and within not in MODULES:
        within = within.rpartition(".")[0]
    return within or "__init__"


def test_every_module_has_a_floor() -> None:
    assert set(MODULES) == set(FLOOR)


@pytest.mark.parametrize("module", MODULES)
def test_no_import_runs_up(module: str) -> None:
    for name in imports(module):
        imported = our_module(name)
        if imported is not None:
            assert FLOOR[imported] <= FLOOR[module], f"{module} imports {imported}"


@pytest.mark.parametrize("module", [module for module in MODULES if module.startswith("tools")])
def test_tools_import_the_sdk_alone(module: str) -> None:
    for imported in filter(None, map(our_module, imports(module))):
        assert imported == "sdk" or imported.startswith("tools"), f"{module} imports {imported}"


@pytest.mark.parametrize("module", MODULES)
def test_who_knows_airflow_and_its_web_framework(module: str) -> None:
    roots = {name.split(".", 1)[0] for name in imports(module)}
    if not module.startswith(AIRFLOW_IS_KNOWN_TO):
        assert "airflow" not in roots
    if module not in WEB_IS_KNOWN_TO:
        assert not roots & {"flask", "fastapi", "starlette"}
    assert not any(name.startswith("airflow.models") for name in imports(module))
