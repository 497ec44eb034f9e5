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
"""Real MCP clients for agents, run once with a scripted model behind them.

Each has a home of its own, no login, and no way out but to this machine.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

from devtools.airflow_process import ROOT
from devtools.models.anthropic import Messages
from devtools.models.completions import ChatCompletions
from devtools.models.gemini import GenerateContent
from devtools.models.responses import Responses
from devtools.models.server import Wire

BINARIES = ROOT / ".clients" / "node_modules" / ".bin"
NODE = ROOT / ".node" / "node_modules" / ".bin"
PROMPT = "Look after my Airflow."
SECONDS = 300


@dataclass(frozen=True)
class Agent:
    """A client, and how it is told of its model.

    :param name: As ``airflow-mcp config --client`` has it.
    :param wire: Which API it speaks to its model.
    :param place: Where in its home the configuration belongs that ``airflow-mcp config`` prints.
    :param prefix: What it puts before a tool's name.
    :param command: Its command line, without a person at the terminal.
    :param environment: Its environment variables.
    :param files: Further files of its home.
    """

    name: str
    wire: Callable[[], Wire]
    place: str
    prefix: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    files: Mapping[str, str]

    def spell(self, tool: str) -> str:
        """Return a tool's name as the client shows it to its model."""
        return self.prefix + tool

    def install(self, home: Path, configuration: str, model: str) -> None:
        """Write the client's home.

        :param configuration: What ``airflow-mcp config`` prints.
        :param model: The address of its model.
        """
        for place, text in {**self.files, self.place: ""}.items():
            file = home / place
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text.replace("{MODEL}", model), encoding="utf-8")
        file = home / self.place
        if self.place not in self.files:
            file.write_text(configuration, encoding="utf-8")
            return
        ours = self.files[self.place].replace("{MODEL}", model)
        if file.suffix == ".json":
            file.write_text(json.dumps({**json.loads(ours), **json.loads(configuration)}), encoding="utf-8")
        else:
            file.write_text(f"{ours}\n{configuration}", encoding="utf-8")

    def run(self, home: Path, model: str, prompt: str = PROMPT, **variables: str) -> str:
        """Run the client on one prompt; return what it prints."""
        return self.execute(
            [word.replace("{PROMPT}", prompt) for word in self.command], home, model, **variables
        )

    def execute(self, words: Sequence[str], home: Path, model: str, **variables: str) -> str:
        """Run a command of the client; return what it prints."""
        project = home / "project"
        project.mkdir(exist_ok=True)
        done = subprocess.run(
            words,
            cwd=project,
            env=self._environment(home, model) | variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        return done.stdout

    def _environment(self, home: Path, model: str) -> dict[str, str]:
        nowhere = "http://127.0.0.1:9"
        own = {name: value.replace("{MODEL}", model) for name, value in self.environment.items()}
        return {
            "HOME": str(home),
            "PATH": os.pathsep.join([str(BINARIES), str(NODE), os.environ.get("PATH", os.defpath)]),
            "LANG": "C.UTF-8",
            "TERM": "dumb",
            "XDG_CONFIG_HOME": str(home / ".config"),
            "XDG_DATA_HOME": str(home / ".local" / "share"),
            "XDG_CACHE_HOME": str(home / ".cache"),
            "XDG_STATE_HOME": str(home / ".local" / "state"),
            "HTTP_PROXY": nowhere,
            "HTTPS_PROXY": nowhere,
            "NO_PROXY": "127.0.0.1,localhost",
        } | own


HOOK = 'cat >> "$HOME/questions.json"; printf "%s" "$HOOK_ANSWER"'
"""Keeps what a server asks, and answers what the test says: nothing, or the variable's JSON."""

CLAUDE_CODE = Agent(
    name="claude-code",
    wire=Messages,
    place="project/.mcp.json",
    prefix="mcp__airflow__",
    command=("claude", "-p", "{PROMPT}", "--allowedTools", "mcp__airflow", "--model", "claude-sonnet-5"),
    environment={
        "ANTHROPIC_BASE_URL": "{MODEL}",
        "ANTHROPIC_API_KEY": "sk-ant-none",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        # Else it loads the tools of MCP servers by a search.
        "ENABLE_TOOL_SEARCH": "false",
    },
    files={
        ".claude/settings.json": json.dumps(
            {
                # A person answers this once, when the project's file is new to Claude Code.
                "enableAllProjectMcpServers": True,
                # Without a person at the terminal it declines what a server asks, unless a hook answers.
                "hooks": {"Elicitation": [{"hooks": [{"type": "command", "command": HOOK}]}]},
            }
        )
    },
)

GEMINI = Agent(
    name="gemini",
    wire=GenerateContent,
    place=".gemini/settings.json",
    prefix="mcp_airflow_",
    command=("gemini", "-p", "{PROMPT}", "--approval-mode", "yolo", "--model", "gemini-2.5-pro"),
    environment={
        "GOOGLE_GEMINI_BASE_URL": "{MODEL}",
        "GEMINI_API_KEY": "none",
        "GEMINI_CLI_TRUST_WORKSPACE": "true",
    },
    files={
        ".gemini/settings.json": json.dumps(
            {
                "security": {"auth": {"selectedType": "gemini-api-key"}},
                "privacy": {"usageStatisticsEnabled": False},
                "general": {"enableAutoUpdate": False},
            }
        )
    },
)

CODEX = Agent(
    name="codex",
    wire=Responses,
    place=".codex/config.toml",
    prefix="mcp__airflow__",
    command=(
        "codex",
        "exec",
        "--skip-git-repo-check",
        "--dangerously-bypass-approvals-and-sandbox",
        "{PROMPT}",
    ),
    environment={"SCRIPTED_KEY": "none"},
    files={
        ".codex/config.toml": dedent(
            """\
            model = "gpt-5"
            model_provider = "scripted"
            check_for_update_on_startup = false
            # By default it cuts a result at 10,000 bytes or tokens, as the model's entry in its list says.
            tool_output_token_limit = 50000

            [analytics]
            enabled = false

            [model_providers.scripted]
            name = "Scripted"
            base_url = "{MODEL}/v1"
            env_key = "SCRIPTED_KEY"
            wire_api = "responses"
            """
        )
    },
)

OPENCODE = Agent(
    name="opencode",
    wire=ChatCompletions,
    place=".config/opencode/opencode.json",
    prefix="airflow_",
    command=("opencode", "run", "--model", "scripted/scripted", "{PROMPT}"),
    environment={"OPENCODE_DISABLE_AUTOUPDATE": "true", "OPENCODE_DISABLE_MODELS_FETCH": "true"},
    files={
        ".config/opencode/opencode.json": json.dumps(
            {
                "permission": "allow",
                "share": "disabled",
                "provider": {
                    "scripted": {
                        "npm": "@ai-sdk/openai-compatible",
                        "name": "Scripted",
                        "options": {"baseURL": "{MODEL}/v1", "apiKey": "none"},
                        "models": {"scripted": {"name": "Scripted", "tool_call": True}},
                    }
                },
            }
        )
    },
)

AGENTS = (CLAUDE_CODE, GEMINI, CODEX, OPENCODE)
