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
"""The login: which request is answered how, from the first redirect to the last token."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping

import anyio.to_thread

from airflow_provider_mcp.endpoint.door import HTTPRequest, Reply
from airflow_provider_mcp.oauth.authorization import Authorization, Browser, Record
from airflow_provider_mcp.oauth.clients import Client, Clients
from airflow_provider_mcp.oauth.errors import Refused
from airflow_provider_mcp.oauth.grants import Access, Grant, Grants, Person, read_scopes
from airflow_provider_mcp.oauth.metadata import Addresses, describe_resource, describe_server
from airflow_provider_mcp.oauth.requests import (
    Gone,
    answer_client,
    answer_preflight,
    gone,
    read_form,
    read_json,
    refuse_client,
)
from airflow_provider_mcp.oauth.sealing import Sealer
from airflow_provider_mcp.sdk.json_types import JSONObject

log = logging.getLogger(__name__)


class Login:
    """Answers the requests of a login.

    :param is_known: Says whether Airflow knows a person, who need not be logged in.
    :param record: Writes the audit log.
    """

    def __init__(
        self,
        addresses: Addresses,
        grants: Grants,
        clients: Clients,
        sealer: Sealer,
        is_known: Callable[[Person], bool],
        record: Record,
    ) -> None:
        self.addresses = addresses
        self.grants = grants
        self._clients = clients
        self._authorization = Authorization(addresses, grants, clients, sealer, record)
        self._is_known = is_known
        self._record = record
        self._for_clients: Mapping[tuple[str, str], Callable[[HTTPRequest], Awaitable[Reply]]] = {
            ("POST", "token"): self._answer_token,
            ("POST", "register"): self._answer_registration,
            ("POST", "revoke"): self._answer_revocation,
        }

    async def answer(self, route: str, request: HTTPRequest, browser: Browser) -> Reply:
        """Answer one request.

        :param route: What is asked for, below ``/mcp/oauth/``.
        """
        if route in ("authorize", "resume", "consent"):
            return await self._authorization.answer(route, request, browser)
        if request.method == "OPTIONS":
            return answer_preflight()
        document = self._find_document(route)
        if document is not None and request.method in ("GET", "HEAD"):
            return answer_client(200, document)
        handler = self._for_clients.get((request.method, route))
        if handler is None:
            known = document is not None or any(name == route for _, name in self._for_clients)
            body = {"error": "invalid_request" if known else "not_found"}
            return answer_client(405 if known else 404, body)
        try:
            return await handler(request)
        except Refused as refused:
            log.info("MCP login: %s refused: %s", route, refused)
            return refuse_client(refused)
        except TimeoutError:
            return answer_client(408, {"error": "invalid_request"})
        except Gone:
            return gone()

    async def check(self, token: str) -> Access:
        """Return what an access token allows.

        :raises Refused: It is not good.
        """
        return await anyio.to_thread.run_sync(self.grants.check, token)

    async def list_grants(self, person: Person) -> list[Grant]:
        """Return what a person allows clients, the newest first."""
        grants = await anyio.to_thread.run_sync(lambda: list(self.grants.all()))
        return [grant for grant in grants if grant.person == person]

    async def end_grant(self, person: Person, grant_id: str) -> bool:
        """End a grant of a person, as they wish; say whether there was one."""
        for grant in await self.list_grants(person):
            if grant.id == grant_id and await anyio.to_thread.run_sync(self.grants.revoke, grant_id):
                details: JSONObject = {"grant": grant.id, "client": grant.client, "by": person.name}
                await anyio.to_thread.run_sync(self._record, "mcp.login_revoked", person.name, details)
                return True
        return False

    def _find_document(self, route: str) -> JSONObject | None:
        if route == "jwks":
            return {"keys": []}
        if route == ".well-known/oauth-protected-resource":
            return describe_resource(self.addresses)
        if route in (".well-known/oauth-authorization-server", ".well-known/openid-configuration"):
            return describe_server(self.addresses, client_documents=self._clients.documents != "off")
        return None

    async def _answer_registration(self, request: HTTPRequest) -> Reply:
        registered = self._clients.register(await read_json(request))
        return answer_client(201, registered)

    async def _answer_token(self, request: HTTPRequest) -> Reply:
        fields = await read_form(request)
        client_id = fields.get("client_id")
        if not client_id:
            raise Refused("invalid_client", "client_id is missing; clients have no secret here.")
        resource = fields.get("resource")
        if resource is not None and not self.addresses.names_resource(resource):
            raise Refused("invalid_target", f"The only resource here is {self.addresses.resource}.")
        digest = Client(client_id, "", ()).digest
        grant_type = fields.get("grant_type")
        if grant_type == "authorization_code":
            values = [fields.get(name, "") for name in ("code", "redirect_uri", "code_verifier")]
            tokens = await anyio.to_thread.run_sync(
                lambda: self.grants.redeem(values[0], digest, values[1], values[2])
            )
        elif grant_type == "refresh_token":
            scope = fields.get("scope")
            scopes = None if not scope else read_scopes(scope)
            token = fields.get("refresh_token", "")
            tokens = await anyio.to_thread.run_sync(
                lambda: self.grants.refresh(token, digest, scopes, self._is_known)
            )
        else:
            raise Refused("unsupported_grant_type", "Only authorization_code and refresh_token are served.")
        return answer_client(200, tokens)

    async def _answer_revocation(self, request: HTTPRequest) -> Reply:
        fields = await read_form(request)
        client_id = fields.get("client_id")
        digest = Client(client_id, "", ()).digest if client_id else None
        token = fields.get("token", "")
        revoked = await anyio.to_thread.run_sync(lambda: self.grants.revoke_token(token, digest))
        if revoked is not None:
            said = {"grant": revoked.id, "client": revoked.client, "by": "client"}
            await anyio.to_thread.run_sync(self._record, "mcp.login_revoked", revoked.user, said)
        # Also where there was nothing to revoke (RFC 7009).
        return answer_client(200, {})
