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
"""What the benchmarks run on: Airflow on PostgreSQL, as Debian packages it, with the example Dags."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.live.conftest import LINE, ROOT, WORKERS, Site, airflow, create_users, environment, free_port

API = "/api/v2" if LINE == 3 else "/api/v1"


@contextmanager
def postgres(folder: Path) -> Iterator[int]:
    """Run a PostgreSQL of its own on loopback, with an empty database ``airflow``; yield its port."""
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    assert binaries, "install Debian's package postgresql: the benchmarks need a real database"
    # PostgreSQL refuses to run as root.
    as_owner = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    folder.chmod(0o711)
    data = folder / "postgres"
    data.mkdir()
    if as_owner:
        shutil.chown(data, "postgres", "postgres")
    port = free_port()

    def run(program: str, *arguments: str) -> None:
        command = [*as_owner, str(binaries[-1] / program), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/")

    run("initdb", "-D", str(data), "-U", "airflow", "-A", "trust", "--no-sync")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off -c jit=off"
    run("pg_ctl", "-D", str(data), "-w", "-l", str(data / "log"), "-o", options, "start")
    try:
        run("createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "airflow", "airflow")
        yield port
    finally:
        run("pg_ctl", "-D", str(data), "-m", "immediate", "stop")


class Home:
    """An AIRFLOW_HOME on a PostgreSQL."""

    def __init__(self, folder: Path, database_port: int) -> None:
        self.folder = folder
        self.database = f"postgresql://airflow@127.0.0.1:{database_port}/airflow"

    def environment(self, port: int) -> dict[str, str]:
        """Return the environment of a process whose web process is on ``port``."""
        scheme = "postgresql+psycopg2"
        return {
            **environment(self.folder, port),
            # An installed package has its byte code; a checkout keeps what the first process compiles.
            "PYTHONDONTWRITEBYTECODE": "",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": self.database.replace("postgresql", scheme, 1),
        }

    def prepare(self) -> None:
        """Make the tables, the users and the example Dags."""
        env = self.environment(0)
        shutil.copytree(ROOT / "examples" / "dags", self.folder / "dags", dirs_exist_ok=True)
        airflow(env, "db", "migrate")
        if LINE == 2:
            airflow(env, "sync-perm")
            create_users(env)
        airflow(env, "dags", "reserialize")

    def cheapen_passwords(self) -> None:
        """Make the admin's password as cheap to check as a token (Airflow 2)."""
        from werkzeug.security import generate_password_hash

        hashed = generate_password_hash("admin", "pbkdf2:sha256:1")
        script = "update ab_user set password = :'hashed' where username = 'admin';"
        command = ["psql", "-q", "-v", f"hashed={hashed}", self.database]
        subprocess.run(command, input=script, text=True, check=True)

    @contextmanager
    def serving(self, workers: int = WORKERS, **options: str) -> Iterator[Site]:
        """Run a web process; ``options`` are further environment variables."""
        port = free_port()
        with Site(self.folder, port, env={**self.environment(port), **options}).served(workers) as site:
            yield site


@contextmanager
def prepared(folder: Path) -> Iterator[Home]:
    """Yield an Airflow that is ready to serve."""
    with postgres(folder) as port:
        home = Home(folder, port)
        home.prepare()
        yield home
