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
"""Logins from the first request to the last token, as clients and browsers send them."""

from __future__ import annotations

import json
from typing import Any

import anyio
import pytest

from airflow_provider_mcp.endpoint.elsewhere import find_resumption
from airflow_provider_mcp.oauth.errors import Refused
from airflow_provider_mcp.oauth.grants import Person
from tests.unit.oauth.conversing import (
    ADA,
    BASE,
    CALLBACK,
    ISSUER,
    RESOURCE,
    Conversation,
    answer_of,
    error_of,
)


@pytest.fixture
def talk() -> Conversation:
    return Conversation()


def test_a_person_logs_a_client_in(talk: Conversation) -> None:
    client = talk.register()
    page = talk.ask(client)
    text = page.body.decode()
    assert "ada" in text
    assert "nobody has verified" in text
    assert "127.0.0.1:53682" in text
    assert 'value="read" checked' in text
    answer = talk.decide(page)
    assert answer.headers["Location"].startswith(f"{CALLBACK}?")
    assert answer_of(answer)["state"] == "st/ate"
    assert answer_of(answer)["iss"] == ISSUER
    tokens = json.loads(talk.redeem(client, answer_of(answer)["code"]).body)
    assert tokens["token_type"] == "Bearer"
    assert tokens["expires_in"] == 900
    assert tokens["scope"] == "airflow:read airflow:write"
    access = talk.grants.check(tokens["access_token"])
    assert (access.person, access.client) == (ADA, "A client")
    assert access.scopes == {"airflow:read", "airflow:write"}
    assert talk.rows[0][:2] == ("mcp.login_allowed", "ada")
    assert len(tokens["access_token"]) < 400


def test_reading_alone_is_what_a_person_agrees_to_without_a_choice(talk: Conversation) -> None:
    tokens = talk.log_in(talk.register(), access="")
    assert tokens["scope"] == "airflow:read"
    assert talk.grants.check(tokens["access_token"]).scopes == {"airflow:read"}


@pytest.mark.parametrize("scope", [None, "", "airflow:read", "airflow:read offline_access openid", "unknown"])
def test_a_client_that_asks_for_no_writing_gets_none(talk: Conversation, scope: str | None) -> None:
    client = talk.register()
    page = talk.ask(client, scope=scope)
    assert b'value="write"' not in page.body
    # The form is the browser's: what it sends beyond the question counts for nothing.
    code = answer_of(talk.decide(page, access="write"))["code"]
    assert json.loads(talk.redeem(client, code).body)["scope"] == "airflow:read"


def test_a_person_who_is_not_logged_in_logs_in_first(talk: Conversation) -> None:
    client = talk.register()
    talk.browser.person = None
    away = talk.ask(client)
    assert (away.status, away.headers["Location"]) == (302, "/auth/login?next=/mcp/oauth/resume")
    assert all("HttpOnly; SameSite=Lax; Secure" in cookie for cookie in away.cookies)
    assert "Path=/air/mcp/oauth;" in away.cookies[0]
    # FAB on Airflow 3 needs a second visit. Beyond that, nobody is sent around in a circle.
    again = talk.browse("GET", "resume")
    assert (again.status, again.headers["Location"]) == (302, "/auth/login?next=/mcp/oauth/resume")
    back = talk.browse("GET", "resume")
    assert (back.status, b"/auth/login" in back.body) == (403, True)
    talk.browser.person = ADA
    assert "code" in answer_of(talk.decide(talk.browse("GET", "resume")))


def test_a_login_that_leads_to_the_home_page_goes_on_from_there(talk: Conversation) -> None:
    talk.browser.person = None
    client = talk.register()
    away = talk.ask(client)
    assert "Path=/air;" in away.cookies[1]
    sent = "; ".join(f"{name}={value}" for name, value in talk.browser.cookies.items())
    for path in ("/air", "/air/"):
        assert find_resumption(path, "/air", sent) == (
            "/air/mcp/oauth/resume",
            "airflow_mcp_waiting=; Path=/air; Max-Age=0",
        )
    assert find_resumption("/air/dags", "/air", sent) is None
    # Once the question was shown, the home page is the home page.
    talk.browser.person = ADA
    talk.browse("GET", "resume")
    sent = "; ".join(f"{name}={value}" for name, value in talk.browser.cookies.items())
    assert find_resumption("/air/", "/air", sent) is None
    assert find_resumption("/", "", "a=1; airflow_mcp_waiting=1") == (
        "/mcp/oauth/resume",
        "airflow_mcp_waiting=; Path=/; Max-Age=0",
    )


def test_a_login_that_began_elsewhere_or_long_ago_does_not_go_on(talk: Conversation) -> None:
    assert talk.browse("GET", "resume").status == 400
    talk.browser.person = None
    talk.ask(talk.register())
    talk.browser.person = ADA
    talk.clock.now += 601
    assert b"ten minutes" in talk.browse("GET", "resume").body


def test_a_person_who_declines_sends_the_client_away(talk: Conversation) -> None:
    answer = answer_of(talk.decide(talk.ask(talk.register()), "deny"))
    assert (answer["error"], answer["state"], answer["iss"]) == ("access_denied", "st/ate", ISSUER)
    assert talk.rows == [("mcp.login_denied", "ada", {"client": "A client", "target": CALLBACK})]
    assert list(talk.grants.all()) == []


# ---- what never leads to a redirect --------------------------------------------------------------------


@pytest.mark.parametrize(
    "uri",
    [
        "http://evil.example/callback",
        "http://127.0.0.1.evil.example/callback",
        "http://127.0.0.1@evil.example/callback",
        "http://localhost:80@evil.example/",
        "http://127.0.0.1:53682/callback#x",
        "http://127.0.0.1:53682/callback\\@evil.example",
        "http://127.0.0.1:53682/other",
        "http://localhost:53682/callback",
        "https://127.0.0.1:53682/callback",
        "//127.0.0.1/callback",
        "javascript:alert(1)",
        "https://claude.ai/api/mcp/auth_callback",
        "",
    ],
)
def test_an_answer_goes_only_where_the_client_has_registered(talk: Conversation, uri: str) -> None:
    reply = talk.ask(talk.register(), redirect_uri=uri)
    assert reply.status == 400
    assert "Location" not in reply.headers
    assert b"evil" not in reply.body


@pytest.mark.parametrize("port", ["", ":1", ":65535"])
def test_a_client_on_loopback_may_have_any_port(talk: Conversation, port: str) -> None:
    client = talk.register("http://localhost/callback", "http://[::1]:7/callback")
    for host in ("localhost", "[::1]"):
        assert talk.ask(client, redirect_uri=f"http://{host}{port}/callback").status == 200


@pytest.mark.parametrize("client_id", ["", "unknown", "https://evil.example/client.json", "eyJ.a.b"])
def test_a_client_that_is_not_known_gets_no_redirect(talk: Conversation, client_id: str) -> None:
    reply = talk.ask(client_id)
    assert reply.status == 400
    assert "Location" not in reply.headers


def test_a_sealed_text_of_another_purpose_is_no_client(talk: Conversation) -> None:
    client = talk.register()
    code = talk.obtain_code(client)
    tokens = json.loads(talk.redeem(client, code).body)
    for text in (
        code,
        tokens["access_token"].removeprefix("amcp_a_"),
        talk.browser.cookies["airflow_mcp_browser"],
    ):
        assert talk.ask(text).status == 400
    assert talk.redeem(client, client).status == 400


def test_a_parameter_that_comes_twice_is_refused(talk: Conversation) -> None:
    client = talk.register()
    for twice in ("client_id=x", "redirect_uri=http://evil.example/"):
        reply = talk.browse("GET", "authorize", f"client_id={client}&redirect_uri={CALLBACK}&{twice}")
        assert reply.status == 400
    assert error_of(talk.post("token", "grant_type=a&grant_type=b")) == "invalid_request"
    assert error_of(talk.post("token", "&".join(f"a{n}=1" for n in range(50)))) == "invalid_request"
    assert talk.browse("GET", "authorize", "x" * 9000).status == 400


# ---- what is told to the client by a redirect ----------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": None}, "unsupported_response_type"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "x"}, "invalid_request"),
        ({"code_challenge": "x" * 44}, "invalid_request"),
        ({"resource": "https://airflow.example.com/other"}, "invalid_target"),
        ({"resource": "https://evil.example/air/mcp/v1"}, "invalid_target"),
        ({"resource": f"{RESOURCE}?x"}, "invalid_target"),
        ({"request": "eyJ"}, "request_not_supported"),
        ({"request_uri": "https://evil.example/"}, "request_not_supported"),
        ({"response_mode": "form_post"}, "invalid_request"),
        ({"prompt": "none"}, "consent_required"),
    ],
)
def test_a_client_is_told_what_is_wrong(
    talk: Conversation, changed: dict[str, str | None], error: str
) -> None:
    answer = answer_of(talk.ask(talk.register(), **changed))
    assert (answer["error"], answer["iss"], answer["state"]) == (error, ISSUER, "st/ate")


def test_a_state_that_is_too_long_does_not_come_back(talk: Conversation) -> None:
    answer = answer_of(talk.ask(talk.register(), state="s" * 3000))
    assert answer["error"] == "invalid_request"
    assert "state" not in answer
    talk.browser.person = None
    assert answer_of(talk.ask(talk.register(), prompt="none"))["error"] == "login_required"
    assert answer_of(talk.ask(talk.register(), other="x" * 4000))["error"] == "invalid_request"


@pytest.mark.parametrize(
    "resource", [RESOURCE, f"{RESOURCE}/", BASE, f"{BASE}/", "https://AIRFLOW.example.com", None]
)
def test_the_endpoint_may_be_named_with_a_slash_or_by_its_origin(
    talk: Conversation, resource: str | None
) -> None:
    client = talk.register()
    page = talk.ask(client, resource=resource)
    code = answer_of(talk.decide(page))["code"]
    sent = {} if resource is None else {"resource": resource}
    assert talk.redeem(client, code, **sent).status == 200


# ---- the question --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": ""},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
    ],
)
def test_an_answer_that_another_page_sends_counts_for_nothing(
    talk: Conversation, headers: dict[str, str]
) -> None:
    assert talk.decide(talk.ask(talk.register()), **headers).status == 400
    assert talk.store.list("") == {}


def test_an_answer_counts_once_in_its_browser_and_for_its_person(talk: Conversation) -> None:
    page = talk.ask(talk.register())
    mine = dict(talk.browser.cookies)
    talk.browser.cookies["airflow_mcp_browser"] = "x" * 22
    assert talk.decide(page).status == 400
    talk.browser.cookies.clear()
    assert talk.decide(page).status == 400
    talk.browser.cookies.update(mine)
    for other in (None, Person("8", "bob"), Person("7", "renamed")):
        talk.browser.person = other
        assert talk.decide(page).status == 400
    talk.browser.person = ADA
    assert talk.decide(page).status == 303
    assert b"answered before" in talk.decide(page).body
    late = talk.ask(talk.register())
    talk.clock.now += 601
    assert talk.decide(late).status == 400


def test_a_second_question_leaves_the_first_one_good(talk: Conversation) -> None:
    client = talk.register()
    first, second = talk.ask(client), talk.ask(client)
    assert talk.decide(first).status == 303
    assert talk.decide(second).status == 303


def test_a_foreign_form_is_no_answer(talk: Conversation) -> None:
    client = talk.register()
    page = talk.ask(client)
    waiting = Conversation()
    waiting.browser.person = None
    waiting.ask(client)
    for form in ("", "x", client, talk.login._authorization._sealer.seal({"fields": {}}), "a" * 300):
        fields = {"form": form, "decision": "allow"}
        assert talk.browse("POST", "consent", fields=fields).status == 400
    assert talk.decide(page).status == 303


def test_what_a_client_calls_itself_is_text_on_the_page(talk: Conversation) -> None:
    client = talk.register(client_name="<script>alert(1)</script>\u202e\x07" + "x" * 200)
    text = talk.ask(client).body.decode()
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "\u202e" not in text


def test_the_pages_can_neither_be_framed_nor_run_anything(talk: Conversation) -> None:
    for page in (talk.ask(talk.register()), talk.ask("unknown")):
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "form-action" not in policy
        assert page.headers["X-Frame-Options"] == "DENY"
        assert page.headers["Cache-Control"] == "no-store"
        assert b"<script" not in page.body


@pytest.mark.parametrize(
    ("method", "route"), [("POST", "authorize"), ("GET", "consent"), ("POST", "resume"), ("PUT", "consent")]
)
def test_pages_take_their_method_alone(talk: Conversation, method: str, route: str) -> None:
    assert talk.browse(method, route).status == 405


# ---- registration --------------------------------------------------------------------------------------

CURSOR = [
    "cursor://anysphere.cursor-mcp/oauth/callback",
    "https://www.cursor.com/agents/mcp/oauth/callback",
    "http://localhost:8787/callback",
]


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        # As the clients send them: Claude Code, VS Code, Cursor, ChatGPT, Codex.
        ({"redirect_uris": ["http://localhost:64712/callback"], "token_endpoint_auth_method": "none"}, 1),
        (
            {
                "redirect_uris": [
                    "https://insiders.vscode.dev/redirect",
                    "https://vscode.dev/redirect",
                    "http://127.0.0.1/",
                    "http://127.0.0.1:33418/",
                ],
                "application_type": "native",
            },
            4,
        ),
        ({"redirect_uris": CURSOR, "token_endpoint_auth_method": "none"}, 3),
        ({"redirect_uris": ["https://chatgpt.com/connector_platform_oauth_redirect"]}, 1),
        ({"redirect_uris": ["https://chatgpt.com/connector/oauth/AbC-1_x"]}, 1),
        ({"redirect_uris": ["http://127.0.0.1:1455/callback/8aF"], "scope": ""}, 1),
        (
            {
                "redirect_uris": ["https://evil.example/x", "http://[::1]:9/"],
                "token_endpoint_auth_method": "x",
            },
            1,
        ),
    ],
)
def test_clients_register_as_they_do(talk: Conversation, body: dict[str, Any], kept: int) -> None:
    reply = talk.send("POST", "register", body=json.dumps(body).encode())
    registered = json.loads(reply.body)
    assert reply.status == 201
    assert len(registered["redirect_uris"]) == kept
    assert registered["token_endpoint_auth_method"] == "none"
    assert "client_secret" not in registered
    assert talk.ask(registered["client_id"], redirect_uri=registered["redirect_uris"][0]).status == 200
    assert talk.store.list("") == {}


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", "invalid_client_metadata"),
        (b"[]", "invalid_client_metadata"),
        (b"[" * 8000, "invalid_client_metadata"),
        (b"{}", "invalid_redirect_uri"),
        (b'{"redirect_uris": []}', "invalid_redirect_uri"),
        (b'{"redirect_uris": "http://localhost/"}', "invalid_redirect_uri"),
        (b'{"redirect_uris": [1]}', "invalid_redirect_uri"),
        (b'{"redirect_uris": ["javascript:alert(1)"]}', "invalid_redirect_uri"),
        (b'{"redirect_uris": ["https://evil.example/"]}', "invalid_redirect_uri"),
        (b'{"redirect_uris": ["cursor://evil/oauth/callback"]}', "invalid_redirect_uri"),
        (b'{"redirect_uris": ["https://claude.ai/api/mcp/auth_callback?x"]}', "invalid_redirect_uri"),
        (b'{"redirect_uris": ["https://chatgpt.com/connector/oauth/../x"]}', "invalid_redirect_uri"),
        (json.dumps({"redirect_uris": ["http://localhost/" + "x" * 600]}).encode(), "invalid_redirect_uri"),
        (json.dumps({"redirect_uris": ["http://localhost/"] * 11}).encode(), "invalid_redirect_uri"),
        (b'{"redirect_uris": ["http://localhost/"], "x": "' + b"x" * 9000 + b'"}', "invalid_request"),
    ],
)
def test_what_cannot_be_registered_is_refused(talk: Conversation, body: bytes, error: str) -> None:
    assert error_of(talk.send("POST", "register", body=body)) == error


def test_an_administrator_allows_further_targets_to_the_letter() -> None:
    talk = Conversation(targets=frozenset({"https://tools.example.com/callback", "javascript:alert(1)"}))
    client = talk.register("https://tools.example.com/callback")
    assert talk.ask(client, redirect_uri="https://tools.example.com/callback").status == 200
    assert talk.ask(client, redirect_uri="https://tools.example.com/callback/x").status == 400
    body = b'{"redirect_uris": ["javascript:alert(1)"]}'
    assert error_of(talk.send("POST", "register", body=body)) == "invalid_redirect_uri"
    # What was registered before is refused once the administrator no longer allows it.
    assert Conversation().ask(client, redirect_uri="https://tools.example.com/callback").status == 400


# ---- metadata ------------------------------------------------------------------------------------------


def test_clients_find_the_login(talk: Conversation) -> None:
    resource = json.loads(talk.send("GET", ".well-known/oauth-protected-resource").body)
    assert resource["resource"] == RESOURCE
    assert resource["authorization_servers"] == [ISSUER]
    for name in ("oauth-authorization-server", "openid-configuration"):
        reply = talk.send("GET", f".well-known/{name}")
        server = json.loads(reply.body)
        assert reply.headers["Content-Type"] == "application/json"
        assert reply.headers["Access-Control-Allow-Origin"] == "*"
        assert server["issuer"] == ISSUER
        assert server["code_challenge_methods_supported"] == ["S256"]
        assert server["token_endpoint_auth_methods_supported"] == ["none"]
        assert server["authorization_response_iss_parameter_supported"] is True
        assert server["client_id_metadata_document_supported"] is True
        for name in ("authorization", "token", "registration", "revocation"):
            assert server[f"{name}_endpoint"].startswith(f"{ISSUER}/")
    assert json.loads(talk.send("GET", "jwks").body) == {"keys": []}
    assert "offline_access" in server["scopes_supported"]
    assert "offline_access" not in resource["scopes_supported"]
    off = Conversation("off").send("GET", ".well-known/openid-configuration")
    assert json.loads(off.body)["client_id_metadata_document_supported"] is False


def test_pages_of_browser_clients_may_ask(talk: Conversation) -> None:
    reply = talk.send("OPTIONS", "token", origin="https://inspector.example")
    assert (reply.status, reply.headers["Access-Control-Allow-Origin"]) == (204, "*")
    assert "Access-Control-Allow-Credentials" not in reply.headers


@pytest.mark.parametrize(
    ("method", "route", "status"),
    [("GET", "token", 405), ("POST", "jwks", 405), ("GET", "other", 404), ("GET", ".well-known/x", 404)],
)
def test_what_is_not_there_is_told_in_json(talk: Conversation, method: str, route: str, status: int) -> None:
    reply = talk.send(method, route)
    assert reply.status == status
    assert "error" in json.loads(reply.body)


# ---- metadata documents of clients ---------------------------------------------------------------------


def test_the_documents_of_known_clients_are_here(talk: Conversation) -> None:
    claude = "https://claude.ai/oauth/claude-code-client-metadata"
    page = talk.ask(claude, redirect_uri="http://localhost:3118/callback")
    assert b"Claude Code is known by its vendor" in page.body
    assert talk.ask(claude, redirect_uri="https://claude.ai/api/mcp/auth_callback").status == 400
    assert Conversation("off").ask(claude, redirect_uri="http://localhost:3118/callback").status == 400
    unknown = talk.ask("https://client.example/metadata.json", redirect_uri="https://client.example/cb")
    assert b"oauth_client_metadata" in unknown.body


CLIENT = "https://client.example/metadata.json"


@pytest.mark.parametrize(
    ("document", "status"),
    [
        ({"redirect_uris": ["https://client.example/cb"]}, 200),
        (
            {
                "redirect_uris": ["https://client.example/cb"],
                "token_endpoint_auth_method": "private_key_jwt",
                "token_endpoint_auth_methods_supported": ["none", "private_key_jwt"],
            },
            200,
        ),
        ({"redirect_uris": ["https://client.example/cb"], "client_id": "https://other.example/x"}, 400),
        (
            {"redirect_uris": ["https://client.example/cb"], "token_endpoint_auth_method": "private_key_jwt"},
            400,
        ),
        ({"redirect_uris": ["https://other.example/cb"]}, 400),
        ({}, 400),
    ],
)
def test_a_document_is_fetched_for_somebody_who_is_logged_in(document: dict[str, Any], status: int) -> None:
    fetched = []

    def fetch(url: str) -> dict[str, Any]:
        fetched.append(url)
        return {"client_id": CLIENT, "client_name": "C", **document}

    talk = Conversation("fetch", fetch=fetch)
    talk.browser.person = None
    assert talk.ask(CLIENT, redirect_uri="https://client.example/cb").status == 302
    assert fetched == []
    talk.browser.person = ADA
    assert talk.browse("GET", "resume").status == status
    assert fetched == [CLIENT]


def test_a_document_that_cannot_be_fetched_is_told(talk: Conversation) -> None:
    def fetch(url: str) -> dict[str, Any]:
        raise Refused("invalid_client", "It is away.")

    reply = Conversation("fetch", fetch=fetch).ask(CLIENT, redirect_uri="https://client.example/cb")
    assert (reply.status, b"It is away." in reply.body) == (400, True)


# ---- what a person has allowed ---------------------------------------------------------------------------


def test_a_person_sees_and_ends_their_own_grants_alone(talk: Conversation) -> None:
    bob = Person("2", "bob")
    talk.known.add(bob)
    client = talk.register()
    tokens = talk.log_in(client)
    talk.browser.person = bob
    talk.log_in(client)
    (mine,) = anyio.run(talk.login.list_grants, ADA)
    (of_bob,) = anyio.run(talk.login.list_grants, bob)
    assert (mine.client, mine.person) == ("A client", ADA)
    # Who has got the identifier of another user since is somebody else.
    assert anyio.run(talk.login.list_grants, Person(ADA.id, "eve")) == []
    del talk.rows[:]
    assert not anyio.run(talk.login.end_grant, ADA, of_bob.id)
    assert not anyio.run(talk.login.end_grant, ADA, "")
    assert talk.rows == []
    assert anyio.run(talk.login.end_grant, ADA, mine.id)
    assert not anyio.run(talk.login.end_grant, ADA, mine.id)
    ((event, user, details),) = talk.rows
    assert (event, user, details["by"], details["client"]) == ("mcp.login_revoked", "ada", "ada", "A client")
    with pytest.raises(Refused):
        talk.grants.check(tokens["access_token"])
    assert anyio.run(talk.login.list_grants, bob) == [of_bob]
