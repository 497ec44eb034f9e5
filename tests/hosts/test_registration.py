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
"""What ``airflow`` commands show of the provider, with lazy discovery on and off."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import LINE, airflow, environment


@pytest.mark.parametrize("lazy", ["True", "False"])
def test_airflow_shows_the_provider_and_the_plugin(home: Path, lazy: str) -> None:
    env = environment(home, 0) | {"AIRFLOW__CORE__LAZY_DISCOVER_PROVIDERS": lazy}
    providers = airflow(env, "providers", "list", "--output", "plain")
    assert "apache-airflow-providers-mcp" in providers
    plugins = airflow(env, "plugins", "--output", "json")
    assert '"name": "mcp"' in plugins
    assert ("fastapi_apps" if LINE == 3 else "flask_blueprints") in plugins
    for said in (providers, plugins, airflow(env, "version")):
        for printed in said.splitlines():
            if "warn" in printed.lower() or "error" in printed.lower():
                assert "mcp" not in printed.lower()
