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
"""The clients that people log in for: registered by themselves, or known by their metadata document."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

from airflow_provider_mcp.oauth import redirects
from airflow_provider_mcp.oauth.errors import Refused
from airflow_provider_mcp.oauth.metadata import SCOPES
from airflow_provider_mcp.oauth.sealing import Sealer
from airflow_provider_mcp.sdk.json_types import JSON, JSONObject
from airflow_provider_mcp.server.policy import ClientDocuments

MOST_REDIRECTS = 10

MOST_NAME_CHARS = 60

_DOCUMENT = re.compile(r"https://[a-z0-9.-]+(:443)?/[!-~]+")


@dataclass(frozen=True)
class Client:
    """A client, as far as it is known.

    :param id: What it calls itself by: a sealed registration, or the address of its metadata document.
    :param verified: Whether its name is known to be its own.
    """

    id: str
    name: str
    redirect_uris: tuple[str, ...]
    verified: bool = False

    @property
    def digest(self) -> str:
        """A short name of the client, by which codes and tokens are bound to it."""
        return hashlib.sha256(self.id.encode("utf-8", "replace")).hexdigest()[:20]


_ANY_LOOPBACK = ("http://127.0.0.1/callback", "http://localhost/callback")

PINNED = (
    Client("https://claude.ai/oauth/claude-code-client-metadata", "Claude Code", _ANY_LOOPBACK, True),
    Client(
        "https://claude.ai/oauth/mcp-oauth-client-metadata",
        "Claude",
        ("https://claude.ai/api/mcp/auth_callback",),
        True,
    ),
    Client(
        "https://vscode.dev/oauth/client-metadata.json",
        "Visual Studio Code",
        ("http://127.0.0.1:33418/", "https://vscode.dev/redirect"),
        True,
    ),
    Client("https://chatgpt.com/oauth/codex/client.json", "Codex", _ANY_LOOPBACK, True),
    Client("https://opencode.ai/oauth/opencode/client.json", "opencode", _ANY_LOOPBACK, True),
    Client("https://zed.dev/oauth/client-metadata.json", "Zed", _ANY_LOOPBACK[:1], True),
    Client(
        "https://github.com/copilot/cli/client-metadata.json",
        "GitHub Copilot CLI",
        ("http://127.0.0.1:33418/",),
        True,
    ),
)
"""What the metadata documents of known clients say, as their vendors published them in 2026."""

_PINNED = {client.id: client for client in PINNED}


class Clients:
    """Registers clients and finds them again, without a row: the identifier is the sealed registration.

    :param documents: Which metadata documents are taken.
    :param targets: The redirect targets that an administrator allows beside the known ones.
    :param fetch: Returns the document at an address, where documents are fetched.
    """

    def __init__(
        self,
        sealer: Sealer,
        documents: ClientDocuments,
        targets: Collection[str],
        fetch: Callable[[str], JSONObject],
    ) -> None:
        self._sealer = sealer
        self.documents = documents
        self._targets = targets
        self._fetch = fetch

    def register(self, wanted: JSON) -> JSONObject:
        """Return what a client is registered as (RFC 7591).

        :raises Refused: What it wants cannot be.
        """
        if not isinstance(wanted, dict):
            raise Refused("invalid_client_metadata", "The body must be a JSON object.")
        uris = _read_redirects(wanted)
        # Some clients register all the addresses they may ever use at once; those that are not known go.
        allowed = [uri for uri in uris if redirects.is_allowed(uri, self._targets)]
        if not allowed:
            raise Refused(
                "invalid_redirect_uri",
                "None of the redirect_uris is allowed here: they must be on loopback, or an administrator "
                "adds them to [mcp] oauth_redirect_targets.",
            )
        name = clean_name(wanted.get("client_name"))
        return {
            "client_id": self._sealer.seal({"n": name, "r": allowed}),
            "client_name": name,
            "redirect_uris": allowed,
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
            "scope": " ".join(SCOPES),
        }

    def needs_fetching(self, client_id: str) -> bool:
        """Say whether finding a client asks another server."""
        return self.documents == "fetch" and client_id not in _PINNED and _is_document(client_id)

    def find(self, client_id: str) -> Client:
        """Return a client; it may be asked for at its own server.

        :raises Refused: There is none.
        """
        if not _is_document(client_id):
            content = self._sealer.open(client_id)
            if content is None:
                raise Refused(
                    "invalid_client", "This client is not known here, or no longer: let it register again."
                )
            return Client(client_id, content["n"], tuple(content["r"]))
        if self.documents != "off" and client_id in _PINNED:
            return _PINNED[client_id]
        if self.documents != "fetch":
            raise Refused(
                "invalid_client",
                "The metadata document of this client is not known here. An administrator can let such "
                "documents be fetched ([mcp] oauth_client_metadata = fetch).",
            )
        document = self._fetch(client_id)
        methods = document.get("token_endpoint_auth_methods_supported")
        methods = (
            methods if isinstance(methods, list) else [document.get("token_endpoint_auth_method", "none")]
        )
        if document.get("client_id") != client_id or "none" not in methods:
            raise Refused("invalid_client", "The client's metadata document does not fit this server.")
        uris = [uri for uri in _read_redirects(document) if _may_document_name(client_id, uri)]
        return Client(client_id, clean_name(document.get("client_name")), tuple(uris))

    def may_redirect(self, client: Client, uri: str) -> bool:
        """Say whether a code for a client may be sent to an address."""
        if not redirects.matches(uri, client.redirect_uris):
            return False
        by_document = self.needs_fetching(client.id) and _may_document_name(client.id, uri)
        return by_document or redirects.is_allowed(uri, self._targets)


def clean_name(name: JSON) -> str:
    """Return a client's name as people may see it: short, and of visible characters."""
    text = name if isinstance(name, str) else ""
    visible = "".join(char if char.isprintable() else " " for char in text[: 4 * MOST_NAME_CHARS])
    return " ".join(visible.split())[:MOST_NAME_CHARS] or "An MCP client"


def _is_document(client_id: str) -> bool:
    return _DOCUMENT.fullmatch(client_id) is not None


def _may_document_name(client_id: str, uri: str) -> bool:
    """Say whether a fetched document may name an address: one of its own host, or one on loopback."""
    host = client_id.split("/")[2]
    own = uri.startswith(f"https://{host}/") and "#" not in uri and len(uri) <= redirects.MOST_CHARS
    return own or redirects.is_loopback(uri)


def _read_redirects(wanted: JSONObject) -> list[str]:
    uris = wanted.get("redirect_uris")
    if not isinstance(uris, list) or not uris or not all(isinstance(uri, str) for uri in uris):
        raise Refused("invalid_redirect_uri", "redirect_uris must be a list of addresses.")
    if len(uris) > MOST_REDIRECTS:
        raise Refused("invalid_redirect_uri", f"There may be at most {MOST_REDIRECTS} redirect_uris.")
    return uris
