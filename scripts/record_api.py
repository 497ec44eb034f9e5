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
"""Record what the OpenAPI document of an Airflow says about the operations that the tools use.

    python scripts/record_api.py 3.3.2 3.4.0b2

downloads the wheel of each ``apache-airflow-core``, installs nothing, and writes
``tests/fixtures/api/airflow-X.Y.json``, which ``tests/contract/test_api_documents.py`` reads.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.contract.api_operations import OPERATIONS  # noqa: E402

RECORDS = ROOT / "tests" / "fixtures" / "api"
DOCUMENTS = "airflow/api_fastapi/core_api/openapi/v2-rest-api-generated.yaml"


def read_document(version: str) -> Any:
    """Return the OpenAPI document in a release's wheel."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--dest", folder]
        subprocess.run([*command, f"apache-airflow-core=={version}"], check=True)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            return yaml.safe_load(archive.read(DOCUMENTS))


def resolve(document: Any, schema: Any) -> Iterator[Any]:
    """Yield the object schemas that a schema is, or is one of."""
    if "$ref" in schema:
        yield from resolve(document, document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]])
    for kind in ("anyOf", "oneOf", "allOf"):
        for part in schema.get(kind, ()):
            yield from resolve(document, part)
    if "properties" in schema:
        yield schema


def list_fields(document: Any, schema: Any) -> set[str]:
    """Return the fields of an answer and, where it has lists of rows, of the rows."""
    fields: set[str] = set()
    for found in resolve(document, schema):
        fields |= set(found["properties"])
        for value in found["properties"].values():
            for row in resolve(document, value.get("items", {})):
                fields |= set(row["properties"])
    return fields


def describe(document: Any, operation: Any) -> dict[str, Any]:
    """Return what the test compares of one operation."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    bodies = list(resolve(document, content.get("schema", {})))
    fields: set[str] = set()
    for status, answer in operation["responses"].items():
        if status.startswith("2"):
            schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
            fields |= list_fields(document, schema)
    return {
        "parameters": sorted({parameter["name"] for parameter in operation.get("parameters", ())}),
        "body": sorted({name for body in bodies for name in body["properties"]}),
        "required": sorted({name for body in bodies for name in body.get("required", ())}),
        "needs_body": operation.get("requestBody", {}).get("required", False),
        "fields": sorted(fields),
    }


def record(version: str) -> None:
    """Write the record of one release."""
    document = read_document(version)
    operations = {}
    for name in sorted(OPERATIONS):
        method, route = name.split(" ")
        found = document["paths"].get(f"/api/v2{route}", {}).get(method.lower())
        if found is not None:
            operations[name] = describe(document, found)
    target = RECORDS / f"airflow-{'.'.join(version.split('.')[:2])}.json"
    rows = ",\n".join(f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in operations.items())
    target.write_text(f'{{"version": "{version}", "operations": {{\n{rows}\n}}}}\n')
    print(f"{target.relative_to(ROOT)}: {len(operations)} operations")


def main() -> None:
    for version in sys.argv[1:]:
        record(version)


if __name__ == "__main__":
    main()
