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
"""Count tokens as OpenAI's o200k encoding does, by the npm package ``gpt-tokenizer``."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / ".node"
PROGRAM = (
    "const {encode} = require('gpt-tokenizer/encoding/o200k_base');"
    "const texts = JSON.parse(require('fs').readFileSync(0, 'utf8'));"
    "console.log(JSON.stringify(texts.map(text => encode(text).length)));"
)


def tokens(*texts: str) -> list[int]:
    """Return how many o200k tokens each text has."""
    node = FOLDER / "node_modules" / ".bin" / "node"
    done = subprocess.run(
        [str(node), "-e", PROGRAM],
        input=json.dumps(texts),
        cwd=FOLDER,
        capture_output=True,
        text=True,
        check=True,
    )
    counted: list[int] = json.loads(done.stdout)
    return counted
