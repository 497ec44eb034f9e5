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
"""Runs the scripts that drive Chromium, and waits where clients wait for the answer of a login."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from devtools.airflow_process import ROOT, AirflowSite

MODULES = Path(os.environ.get("BROWSER_MODULES", ROOT / ".venv" / "browser" / "node_modules"))
SCREENSHOTS = ROOT / "build" / "browser"
SECONDS = 600


def drive(script: str, site: AirflowSite, user: str = "admin", root: str | None = None, **asked: str) -> str:
    """Run a script with a browser of its own; return what it prints.

    :param root: The site's address as people open it, if it is another than its own.
    :param asked: What the script is to know beside the site.
    """
    chromium = shutil.which("chromium")
    assert chromium is not None, "install Debian's chromium"
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    everything = {
        "root": root or site.root,
        "line": site.home.line,
        "user": user,
        "folder": str(SCREENSHOTS),
        "chromium": chromium,
        "modules": str(MODULES),
        **asked,
    }
    done = subprocess.run(
        ["node", str(Path(__file__).with_name(script))],
        env={**os.environ, "ASKED": json.dumps(everything)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{site.log()[-3000:]}"
    return done.stdout


@contextmanager
def waiting_for_answers() -> Iterator[tuple[str, list[str]]]:
    """Wait on loopback as a client does; yield the address, and the queries that have come so far."""
    queries: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            if path == "/callback":
                queries.append(query)
            body = b"<!DOCTYPE html><html lang=en><title>Done</title><body>You can close this.</body></html>"
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/callback", queries
    finally:
        server.shutdown()
        server.server_close()
