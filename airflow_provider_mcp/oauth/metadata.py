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
"""Where the login is, and what clients are told about it."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from airflow_provider_mcp.sdk.json_types import JSONObject
from airflow_provider_mcp.server.request import WRITE_SCOPE

READ_SCOPE = "airflow:read"

SCOPES = (READ_SCOPE, WRITE_SCOPE)

PROTECTED_RESOURCE = "oauth-protected-resource"

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Addresses:
    """The addresses of the login. They come from the configuration alone, never from a request.

    :param base_url: Airflow's configured base URL.
    """

    def __init__(self, base_url: str) -> None:
        parts = urlsplit(base_url.rstrip("/"))
        self.origin = f"{parts.scheme}://{parts.netloc}".lower()
        self.prefix = parts.path
        self.secure = parts.scheme == "https"
        self.on_loopback = parts.hostname in _LOOPBACK
        self.base = self.origin + self.prefix
        self.resource = f"{self.base}/mcp/v1"
        # With a path, so that no client compares it with a slash at its end to the same without one.
        self.issuer = f"{self.base}/mcp/oauth"

    @property
    def resource_metadata(self) -> str:
        """Where the endpoint's metadata is: where the standard says, or below a prefix.

        The host's root may belong to another app, which does not hand on what is asked for there.
        """
        if self.prefix:
            return f"{self.resource}/.well-known/{PROTECTED_RESOURCE}"
        return f"{self.origin}/.well-known/{PROTECTED_RESOURCE}/mcp/v1"

    def names_resource(self, resource: str) -> bool:
        """Say whether a client means the endpoint: to the letter, with a slash, or by the origin alone."""
        parts = urlsplit(resource)
        plain = f"{parts.scheme}://{parts.netloc}".lower() + parts.path.rstrip("/")
        return not parts.query and not parts.fragment and plain in {self.resource, self.base, self.origin}

    def explain_unusable(self) -> str | None:
        """Return why nobody may log in at these addresses, in a sentence; None if they may."""
        if self.secure or (self.base.startswith("http://") and self.on_loopback):
            return None
        return (
            f"the base URL of this Airflow is {self.base!r}: tokens travel by https alone, but for http on "
            "loopback; set base_url to the address that people open"
        )


def challenge_parameters(addresses: Addresses) -> Mapping[str, str]:
    """Return what a refused request is told of the login, in ``WWW-Authenticate``.

    Both scopes at once: several clients cannot ask for a second one later.
    """
    return {"resource_metadata": addresses.resource_metadata, "scope": " ".join(SCOPES)}


def describe_resource(addresses: Addresses) -> JSONObject:
    """Return the metadata of the endpoint (RFC 9728)."""
    return {
        "resource": addresses.resource,
        "authorization_servers": [addresses.issuer],
        "scopes_supported": list(SCOPES),
        "bearer_methods_supported": ["header"],
        "resource_name": "Airflow",
    }


def describe_server(addresses: Addresses, *, client_documents: bool) -> JSONObject:
    """Return the metadata of the login (RFC 8414), which serves clients that look for OpenID's as well.

    :param client_documents: Whether a client may be named by the address of its metadata document.
    """
    at = addresses.issuer
    return {
        "issuer": at,
        "authorization_endpoint": f"{at}/authorize",
        "token_endpoint": f"{at}/token",
        "registration_endpoint": f"{at}/register",
        "revocation_endpoint": f"{at}/revoke",
        "jwks_uri": f"{at}/jwks",
        "scopes_supported": [*SCOPES, "offline_access"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_methods_supported": ["none"],
        "revocation_endpoint_auth_methods_supported": ["none"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "client_id_metadata_document_supported": client_documents,
        # OpenID's own words, which some clients want to see in such a document. There are no ID tokens.
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    }
