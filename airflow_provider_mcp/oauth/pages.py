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
"""The pages of the login: the question whether a client may act for a person, and what went wrong."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from string import Template

from airflow_provider_mcp.endpoint.door import Reply
from airflow_provider_mcp.oauth.clients import Client
from airflow_provider_mcp.oauth.grants import LONGEST_SECONDS, Person

_STYLE = """
:root { color-scheme: light dark; --text: #1b1f24; --back: #f5f6f8; --card: #fff; --line: #8a929c;
  --accent: #0b5bb5; --on-accent: #fff; --warn: #8a4b00; }
@media (prefers-color-scheme: dark) { :root { --text: #e8eaed; --back: #16191d; --card: #22262b;
  --line: #8a929c; --accent: #8ab8ff; --on-accent: #10151c; --warn: #ffc078; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 1rem; background: var(--back); color: var(--text);
  font: 1rem/1.5 system-ui, sans-serif; }
main { max-width: 34rem; margin: 2rem auto; padding: 1.5rem 2rem; background: var(--card);
  border: 1px solid var(--line); border-radius: .5rem; overflow-wrap: anywhere; }
h1 { font-size: 1.4rem; line-height: 1.3; margin: 0 0 1rem; }
.target { font-size: 1.15rem; font-weight: 600; }
.warn { color: var(--warn); }
fieldset { border: 1px solid var(--line); border-radius: .4rem; margin: 1rem 0; padding: .5rem 1rem; }
label { display: block; padding: .4rem 0 .4rem 1.8rem; text-indent: -1.8rem; }
label input { width: 1.1rem; height: 1.1rem; margin: 0 .4rem 0 0; vertical-align: -.15rem; }
label span { display: block; text-indent: 0; font-size: .9rem; }
button { font: inherit; padding: .6rem 1.2rem; border-radius: .4rem; border: 1px solid var(--accent);
  cursor: pointer; margin: .5rem .5rem 0 0; background: transparent; color: var(--accent); }
button.main { background: var(--accent); color: var(--on-accent); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
a { color: var(--accent); }
"""

_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

_PAGE = Template(
    """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>$style</style>
</head>
<body>
<main>
<h1>$title</h1>
$content
</main>
</body>
</html>
"""
)

_QUESTION = Template(
    """<p>You are logged in to Airflow as <strong>$user</strong>.</p>
<p>$client wants to act for you. If you allow it, the answer goes to</p>
<p class="target">$target</p>
<p class="warn">$origin</p>
<form method="post" action="$action">
<input type="hidden" name="form" value="$form">
$choice
<p>It can never do more than you may. The permission lasts $days days at most, and until you or an
administrator end it: to log out of Airflow in this browser does not.</p>
<button class="main" type="submit" name="decision" value="allow">Allow</button>
<button type="submit" name="decision" value="deny">Do not allow</button>
</form>"""
)

_READ = (
    '<label><input type="radio" name="access" value="read" checked>Read only'
    "<span>See Dags, runs, logs, variables and whatever else you may see.</span></label>"
)

_WRITE = (
    '<label><input type="radio" name="access" value="write">Read and change'
    "<span>Also trigger and clear runs, change and delete what you may: a model may decide to, "
    "on what it reads in logs and files.</span></label>"
)

HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    # Without `form-action`: Chromium applies it to the redirects that follow, and would block the answer.
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    # The form's Origin must come with it: without any referrer, browsers send `null`.
    "Referrer-Policy": "same-origin",
}


def ask(
    *, client: Client, person: Person, redirect_uri: str, action: str, form: str, may_write: bool
) -> Reply:
    """Return the page that asks whether a client may act for a person.

    :param action: Where the form goes; ``form`` is the sealed question.
    :param may_write: Whether the client asks for more than reading.
    """
    name = escape(client.name)
    local = redirect_uri.startswith("http://")
    where = "a program on this computer" if local else "another server"
    origin = (
        f"{name} is known by its vendor's document."
        if client.verified
        else f"The name &ldquo;{name}&rdquo; is what the client calls itself; nobody has verified it."
    )
    content = _QUESTION.substitute(
        user=escape(person.name),
        client=f"<strong>{name}</strong>",
        target=escape(redirect_uri.split("/")[2]) + f" ({where})",
        origin=f"{origin} Allow it only if you have just started this login yourself.",
        action=escape(action),
        form=escape(form),
        choice=f"<fieldset><legend>It may</legend>{_READ}{_WRITE if may_write else ''}</fieldset>",
        days=LONGEST_SECONDS // 86_400,
    )
    return _page(200, f"Allow {name} to use Airflow?", content)


def explain(status: int, title: str, sentence: str, link: tuple[str, str] | None = None) -> Reply:
    """Return a page that says what went wrong, and what to do.

    :param link: An address and its words.
    """
    content = f"<p>{escape(sentence)}</p>"
    if link is not None:
        content += f'<p><a href="{escape(link[0])}">{escape(link[1])}</a></p>'
    return _page(status, escape(title), content)


def _page(status: int, title: str, content: str) -> Reply:
    return Reply(status, _PAGE.substitute(title=title, style=_STYLE, content=content).encode(), HEADERS)
