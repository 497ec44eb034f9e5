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
"""Several web processes of one Airflow on PostgreSQL, behind nginx with TLS and a prefix, no affinity."""

from __future__ import annotations

import os
import shutil
import signal
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from devtools.airflow_process import ROOT, AirflowHome, AirflowSite
from devtools.ports import hold_port
from devtools.postgres import postgres

PREFIX = "/airflow"
NEEDED = ("nginx", "openssl", "psql")


def missing() -> list[str]:
    """Return the programs that are not here: Debian's packages are nginx, openssl and postgresql."""
    absent = [name for name in NEEDED if shutil.which(name, path=f"{os.defpath}:/usr/sbin:/sbin") is None]
    return absent + ([] if list(Path("/usr/lib/postgresql").glob("*/bin")) else ["postgresql"])


@dataclass
class Replicas:
    """The replicas, and the address of the proxy before them."""

    home: AirflowHome
    sites: list[AirflowSite]
    port: int
    certificate: Path

    @property
    def root(self) -> str:
        return f"https://localhost:{self.port}{PREFIX}"

    @property
    def url(self) -> str:
        return f"{self.root}/mcp/v1"

    def trust(self) -> ssl.SSLContext:
        """Return what a client needs to trust the proxy."""
        return ssl.create_default_context(cafile=str(self.certificate))

    def kill(self, number: int) -> None:
        """End a replica as a lost machine does."""
        site = self.sites[number]
        os.killpg(site.web.pid, signal.SIGKILL)
        site.web.wait()
        site.processes.clear()

    def restart(self, number: int, workers: int) -> None:
        """Stop a replica as a rollout does, and start it again."""
        self.sites[number].stop()
        self.sites[number].start_web(workers)


@contextmanager
def replicas(folder: Path, block: str, workers: int, count: int = 2, **options: str) -> Iterator[Replicas]:
    """Run replicas behind nginx.

    :param block: The ``upstream`` and ``server`` blocks of the documentation.
    :param options: Further environment variables of Airflow.
    """
    port = hold_port()
    with ExitStack() as stack:
        database = stack.enter_context(postgres(folder))
        home = AirflowHome(folder, database=database, options=options)
        section = "API" if home.line == 3 else "WEBSERVER"
        home.options = {**options, f"AIRFLOW__{section}__BASE_URL": f"https://localhost:{port}{PREFIX}"}
        if home.line == 2:
            home.options["AIRFLOW__WEBSERVER__ENABLE_PROXY_FIX"] = "True"
        home.prepare(ROOT / "examples" / "dags")
        home.airflow("dags", "reserialize")
        sites = [AirflowSite(home, prefix=PREFIX) for _ in range(count)]
        for site in sites:
            stack.callback(site.stop)
            site.start_web(workers)
        certificate = stack.enter_context(nginx(folder / "nginx", block, port, [site.port for site in sites]))
        yield Replicas(home, sites, port, certificate)


@contextmanager
def nginx(folder: Path, block: str, port: int, upstream: list[int]) -> Iterator[Path]:
    """Run the documentation's block with these ports; yield the certificate."""
    folder.mkdir()
    certificate, key = folder / "airflow.pem", folder / "airflow.key"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run([*made, "-out", str(certificate), "-keyout", str(key)], check=True, capture_output=True)
    for documented, real in zip(("127.0.0.1:8080", "127.0.0.1:8081"), upstream, strict=True):
        block = block.replace(documented, f"127.0.0.1:{real}")
    block = block.replace("listen 443", f"listen 127.0.0.1:{port}").replace(
        "airflow.example.com", "localhost"
    )
    block = block.replace("/etc/ssl/airflow.pem", str(certificate)).replace("/etc/ssl/airflow.key", str(key))
    places = "".join(
        f"{name}_temp_path {folder}/{name};\n"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    configuration = folder / "nginx.conf"
    owner = "user root;\n" if os.geteuid() == 0 else ""
    configuration.write_text(
        f"{owner}daemon off;\npid {folder}/pid;\nerror_log {folder}/error.log;\nevents {{}}\n"
        f"http {{\naccess_log {folder}/access.log;\n{places}{block}\n}}\n",
        encoding="utf-8",
    )
    program = shutil.which("nginx", path=f"{os.defpath}:/usr/sbin:/sbin") or "nginx"
    process = subprocess.Popen([program, "-e", str(folder / "error.log"), "-c", str(configuration)])
    try:
        while not (folder / "pid").exists():
            if process.poll() is not None:
                raise RuntimeError((folder / "error.log").read_text(encoding="utf-8"))
            time.sleep(0.1)
        yield certificate
    finally:
        process.terminate()
        process.wait(20)
