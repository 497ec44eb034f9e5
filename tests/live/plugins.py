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
"""Plugins of ``tests/fixtures/plugins`` as packages that are installed for one Airflow alone."""

from __future__ import annotations

import os
from pathlib import Path

from devtools.airflow_process import ROOT


def offer_plugins(packages: Path, **modules: str) -> str:
    """Return the ``PYTHONPATH`` of a process that finds these plugins.

    :param packages: An empty folder, for what an installer would write.
    :param modules: The module of each plugin, by the plugin's name.
    """
    metadata = packages / "plugins_of_the_tests-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: plugins-of-the-tests\nVersion: 1\n")
    entries = (f"{name} = {module}" for name, module in modules.items())
    (metadata / "entry_points.txt").write_text("\n".join(["[airflow_provider_mcp]", *entries]) + "\n")
    paths = [str(packages), str(ROOT / "tests" / "fixtures" / "plugins"), os.environ.get("PYTHONPATH", "")]
    return os.pathsep.join(filter(None, paths))
