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
"""A command that prints a bearer token."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from dataclasses import dataclass

import anyio
import anyio.abc
import httpx

COMMAND_SECONDS = 30.0
"""How long the command may take. The request that needs the token ends within 55 s, the command with it."""

MAX_TOKEN_BYTES = 65_536


class CredentialRefused(httpx.RequestError):
    """The credential cannot be exchanged for a token, or the command that prints one failed.

    :param cure: What to do, if it is known better than "mend it".
    """

    def __init__(self, message: str, *, request: httpx.Request, cure: str = "") -> None:
        super().__init__(message, request=request)
        self.cure = cure


@dataclass(frozen=True)
class TokenCommand:
    """The command and its arguments. No message repeats them: they may hold a secret.

    The command is the leader of a process group of its own, which is stopped as a whole when the command
    takes too long, or when whoever waits for it stops waiting.
    """

    words: tuple[str, ...]

    def run(self, request: httpx.Request) -> str:
        """Return the token that the command prints on its standard output.

        :param request: The request that needs the token.
        :raises CredentialRefused: The command cannot be run, fails, takes too long, or prints no token.
        """
        try:
            process = subprocess.Popen(
                self.words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True
            )
        except OSError as failure:
            raise _cannot_start(failure, request) from None
        try:
            printed, _ = process.communicate(timeout=COMMAND_SECONDS)
        except subprocess.TimeoutExpired:
            raise _too_slow(request) from None
        finally:
            if process.poll() is None:
                _stop(process.pid)
            process.wait()
        return _read_token(printed, process.returncode, request)

    async def run_async(self, request: httpx.Request) -> str:
        """Do the same as :meth:`run` without holding the event loop."""
        try:
            process = await anyio.open_process(
                self.words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=None,
                start_new_session=True,
            )
        except OSError as failure:
            raise _cannot_start(failure, request) from None
        printed = None
        try:
            with anyio.move_on_after(COMMAND_SECONDS):
                printed = await _read_all(process)
                await process.wait()
        finally:
            if process.returncode is None:
                _stop(process.pid)
            with anyio.CancelScope(shield=True):
                await process.aclose()
        if printed is None or process.returncode is None:
            raise _too_slow(request)
        return _read_token(printed, process.returncode, request)


async def _read_all(process: anyio.abc.Process) -> bytes:
    """Return what a process prints, or no more of it than shows that it is no token."""
    printed = bytearray()
    if process.stdout is not None:
        async for part in process.stdout:
            printed += part
            if len(printed) > MAX_TOKEN_BYTES:
                break
    return bytes(printed)


def _stop(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def _cannot_start(failure: OSError, request: httpx.Request) -> CredentialRefused:
    reason = failure.strerror or type(failure).__name__
    return CredentialRefused(f"the token command failed to start: {reason}", request=request)


def _too_slow(request: httpx.Request) -> CredentialRefused:
    return CredentialRefused(
        f"the token command printed no token within {COMMAND_SECONDS:g} s and was stopped", request=request
    )


def _read_token(printed: bytes, status: int, request: httpx.Request) -> str:
    token = printed.decode("utf-8", "replace").strip()
    if status == 0 and token.lower().startswith("bearer "):
        raise CredentialRefused(
            "the token command printed no token alone, but 'Bearer ' before it", request=request
        )
    if status != 0 or not token or len(token.split()) != 1 or len(printed) > MAX_TOKEN_BYTES:
        raise CredentialRefused(f"the token command printed no token (exit status {status})", request=request)
    return token
