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
"""Secrets that are known by their form, wherever they stand: tokens, private keys, passwords in addresses.

Every search takes time linear in the text: a pattern begins only where no longer run of the same characters
has begun, and what has no fixed length is looked for by ``str.find``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MASK = "***"

_START = r"(?<![A-Za-z0-9_-])"
"""Where a token may begin: not in the middle of a word."""

_END = r"(?![A-Za-z0-9])"


@dataclass(frozen=True)
class Form:
    """One well-known form.

    :param marks: Texts of which one is in each secret of this form: without them nothing is searched.
    :param pattern: The secret, or a group ``kept`` before it that stays.
    """

    name: str
    marks: tuple[str, ...]
    pattern: re.Pattern[str]


def _form(name: str, marks: str, pattern: str, *, start: str = _START) -> Form:
    return Form(name, tuple(marks.split()), re.compile(start + pattern))


FORMS = (
    _form("token of this MCP server", "amcp_", r"amcp_[arm]_[\w-]{40,}"),
    _form("JSON web token", "eyJ", r"eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*){1,3}"),
    _form("AWS access key", "AKIA ASIA ABIA ACCA", rf"A(?:KIA|SIA|BIA|CCA)[A-Z0-9]{{16}}{_END}"),
    _form("Google API key", "AIza", r"AIza[\w-]{35}"),
    _form("Google client secret", "GOCSPX-", r"GOCSPX-[\w-]{20,}"),
    _form("Google access token", "ya29.", r"ya29\.[\w-]{20,}"),
    _form("Google refresh token", "1//0", r"1//0[\w-]{20,}"),
    _form(
        "Azure key",
        "AccountKey= SharedAccessKey= SharedAccessSignature=",
        r"(?P<kept>(?:AccountKey|SharedAccessKey|SharedAccessSignature)=)[^\s;\"'<>]{8,}",
    ),
    _form("Azure signature", "sig=", r"(?P<kept>sig=)[A-Za-z0-9%+/=_-]{30,}"),
    _form("Azure client secret", "8Q~", r"[\w~.-]{3}8Q~[\w~.-]{31,34}", start=r"(?<![\w~.-])"),
    _form("GitHub token", "ghp_ gho_ ghu_ ghs_ ghr_", rf"gh[pousr]_[A-Za-z0-9]{{30,255}}{_END}"),
    _form("GitHub token, fine-grained", "github_pat_", r"github_pat_[A-Za-z0-9_]{22,255}"),
    _form(
        "GitLab token",
        "glpat- gldt- glrt- glptt- glcbt- glsoat- glft- glimt- glagent-",
        r"gl(?:pat|dt|rt|ptt|cbt|soat|ft|imt|agent)-[\w.-]{16,}",
    ),
    _form(
        "Slack token",
        "xoxa- xoxb- xoxe xoxo- xoxp- xoxr- xoxs- xapp-",
        r"x(?:ox[abeoprs]|app)[.-][\w.-]{10,}",
    ),
    _form(
        "Slack webhook",
        "hooks.slack.com/",
        r"(?P<kept>hooks\.slack\.com/(?:services|workflows|triggers)/)[\w/-]{16,}",
    ),
    _form(
        "Discord webhook",
        "/api/webhooks/",
        r"(?P<kept>discord(?:app)?\.com/api/webhooks/)\d+/[\w-]{16,}",
    ),
    _form(
        "Stripe key",
        "sk_live_ rk_live_ sk_test_ rk_test_ whsec_",
        r"(?:[sr]k_(?:live|test)|whsec)_[A-Za-z0-9]{16,}",
    ),
    _form("OpenAI or Anthropic key", "sk-", r"sk-(?=[A-Za-z0-9_-]{0,40}\d)[A-Za-z0-9_-]{20,}"),
    _form("Hugging Face token", "hf_", rf"hf_[A-Za-z0-9]{{30,}}{_END}"),
    _form("npm token", "npm_", rf"npm_[A-Za-z0-9]{{36}}{_END}"),
    _form("PyPI token", "pypi-", r"pypi-AgE[\w-]{30,}"),
    _form("Docker token", "dckr_pat_ dckr_oat_", r"dckr_(?:pat|oat)_[\w-]{20,}"),
    _form("SendGrid key", "SG.", r"SG\.[\w-]{16,}\.[\w-]{16,}"),
    _form("Twilio key", "SK", rf"SK[0-9a-f]{{32}}{_END}"),
    _form("Mailgun key", "key-", rf"key-[0-9a-f]{{32}}{_END}"),
    _form("Databricks token", "dapi dkea dose", rf"d(?:api|kea|ose)[0-9a-f]{{32}}(?:-\d)?{_END}"),
    _form("dbt token", "dbtc_ dbtu_ dbts_", r"dbt[cus]_[\w-]{20,}"),
    _form("DigitalOcean token", "dop_v1_ doo_v1_ dor_v1_", r"do[opr]_v1_[0-9a-f]{40,}"),
    _form("Vault token", "hvs. hvb. hvr.", r"hv[sbr]\.[\w-]{20,}"),
    _form("Terraform token", ".atlasv1.", r"[A-Za-z0-9]{14}\.atlasv1\.[\w-]{40,}"),
    _form("Grafana token", "glsa_ glc_", r"gl(?:sa|c)_[\w+/=]{20,}"),
    _form("Sentry token", "sntrys_ sntryu_", r"sntry[su]_[\w+/=-]{20,}"),
    _form("New Relic key", "NRAK- NRJS- NRAL-", r"NR(?:AK|JS|AL)-[A-Za-z0-9]{20,}"),
    _form("Atlassian token", "ATATT3 ATCTT3", r"AT[AC]TT3[\w=-]{20,}"),
    _form("Shopify token", "shpat_ shpca_ shppa_ shpss_", r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}"),
    _form("Telegram token", ":AA", rf"\d{{8,10}}:AA[\w-]{{33}}{_END}"),
    _form("age key", "AGE-SECRET-KEY-1", r"AGE-SECRET-KEY-1[0-9A-Z]{20,}"),
    _form(
        "Authorization header",
        "uthorization UTHORIZATION",
        r"(?P<kept>(?i:(?:proxy-)?authorization)[\"']?\s{0,4}[:=]\s{0,4}[\"']?(?i:basic|bearer|token|apikey)\s{1,4})"
        r"[\w.~+/=:-]{6,}",
        start=r"(?<![A-Za-z0-9_])",
    ),
    _form(
        "bearer token",
        "Bearer bearer",
        r"(?P<kept>[Bb]earer\s{1,4})(?=[A-Za-z_.~+/=-]{0,60}\d)[\w.~+/=-]{20,}",
    ),
)

_SHORTEST = 15
"""No form is shorter than this."""

_LONG = 1000
"""A text from which on it costs less to look for each mark than for any of them."""

_ANY_MARK = re.compile(
    "|".join(re.escape(mark) for mark in sorted({m for form in FORMS for m in form.marks}))
)

_KEY_BEGIN = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_KEY_END = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_KEY_LINES = re.compile(r"(?:\s|\\[nr]|[A-Za-z0-9+/=]{16,})*")
"""What goes on after the begin of a key whose end is missing."""
_KEY_LINE = re.compile(r"\s*[A-Za-z0-9+/]{20,}={0,2}\s*|\s*[A-Za-z0-9+/]{1,64}={1,2}\s*|\s*")

_WORD_ENDS = re.compile(r"[\s\"'<>`]")
_USER_ENDS = re.compile(r"[:/?#@]")
_PORT = re.compile(r"\d{1,5}(?:[/?#]|$)")


class FormMasker:
    """Masks the known forms of secrets in texts, one after the other, and counts them.

    A private key may go over several texts, as over the lines of a log: what was begun in one is masked in
    those that follow.
    """

    def __init__(self) -> None:
        self.count = 0
        self._in_key = False

    def mask(self, text: str) -> str:
        """Return the text with its secrets as ``***``."""
        if self._in_key:
            text = self._go_on_in_key(text)
        if "PRIVATE KEY" in text:
            text = self._mask_keys(text)
        if "://" in text and "@" in text:
            text = self._mask_addresses(text)
        if len(text) < _SHORTEST or (len(text) < _LONG and not _ANY_MARK.search(text)):
            return text
        for form in FORMS:
            if any(mark in text for mark in form.marks):
                text = form.pattern.sub(self._replace, text)
        return text

    def _replace(self, match: re.Match[str]) -> str:
        kept = match.groupdict().get("kept") or ""
        if match[0][len(kept) :].strip("*") == "":
            return match[0]
        self.count += 1
        return kept + MASK

    def _mask_keys(self, text: str) -> str:
        pieces, done = [], 0
        ends = True
        for begin in _KEY_BEGIN.finditer(text):
            if begin.start() < done:
                continue
            end = _KEY_END.search(text, begin.end()) if ends else None
            pieces += [text[done : begin.start()], MASK]
            self.count += 1
            if end is not None:
                done = end.end()
                continue
            ends = False
            rest = _KEY_LINES.match(text, begin.end())
            done = rest.end() if rest else begin.end()
            self._in_key = done == len(text)
        return "".join([*pieces, text[done:]])

    def _go_on_in_key(self, text: str) -> str:
        end = _KEY_END.search(text)
        if end is not None:
            self._in_key = False
            return MASK + text[end.end() :]
        if _KEY_LINE.fullmatch(text):
            return MASK if text.strip() else text
        self._in_key = False
        return text

    def _mask_addresses(self, text: str) -> str:
        """Mask passwords in addresses, up to the last ``@`` of a word: some drivers let them hold any."""
        pieces, done = [], 0
        end = last = -1
        at = text.find("://")
        while at >= 0:
            user = at + 3
            if user > end:
                stop = _WORD_ENDS.search(text, user)
                end = stop.start() if stop else len(text)
                last = text.rfind("@", user, end)
            after = user
            begin = _begin_of_password(text, user, last, end)
            if begin is not None:
                if text[begin:last].strip("*"):
                    pieces += [text[done:begin], MASK]
                    done = last
                    self.count += 1
                after = last
            at = text.find("://", after)
        return "".join([*pieces, text[done:]])


def _begin_of_password(text: str, user: int, last: int, end: int) -> int | None:
    """Return where the password of an address begins; None if it has none.

    :param user: Where its user begins, after ``://``.
    :param last: The last ``@`` of the word.
    :param end: Where the word ends.
    """
    colon = _USER_ENDS.search(text, user, end)
    if colon is None or colon[0] != ":" or colon.end() > last:
        return None
    is_port = colon.start() > user and _PORT.match(text, colon.end(), end) is not None
    return None if is_port else colon.end()
