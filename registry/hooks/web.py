"""Messages to a web address, signed as Standard Webhooks 1.0.0 asks for (https://www.standardwebhooks.com)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from registry.hooks.hook import Message, Undelivered

TIMEOUT_S = 10
ATTEMPTS = 3
PAUSE_S = 1.0
_SECRET_PREFIX = "whsec_"
# RFC 9110: the receiver's fault or a passing one; anything else will not change by asking again.
_PASSING = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class Web:
    """POST to an address; `secret_env` names the variable with the secret that it is signed with."""

    url: str
    secret_env: str | None = field(default=None)

    def send(self, message: Message) -> None:
        """At most ATTEMPTS times, each of TIMEOUT_S; redirects are not followed. Raises Undelivered."""
        secret = self._secret()
        body = json.dumps(message.document, separators=(",", ":")).encode()
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(PAUSE_S * 2 ** (attempt - 1))
            why, passing = self._attempt(message.message_id, body, secret)
            if not why:
                return
            if not passing:
                break
        raise Undelivered(f"{_shown(self.url)} {why}")

    def _attempt(self, message_id: str, body: bytes, secret: bytes | None) -> tuple[str, bool]:
        """What went wrong, and whether it may pass; nothing where it was taken."""
        import requests

        headers = {"Content-Type": "application/json", **_headers(message_id, body, secret)}
        try:
            answer = requests.post(
                self.url, data=body, headers=headers, timeout=TIMEOUT_S, allow_redirects=False, stream=True
            )
        except requests.RequestException as fault:
            return f"cannot be asked: {type(fault).__name__}", True
        with answer:
            status = answer.status_code
        return ("" if 200 <= status < 300 else f"answers {status}"), status >= 500 or status in _PASSING

    def _secret(self) -> bytes | None:
        if self.secret_env is None:
            return None
        said = os.environ.get(self.secret_env, "")
        if not said:
            raise Undelivered(
                f"{_shown(self.url)} needs a secret, and the variable {self.secret_env} has none"
            )
        return _key(said)


def _headers(message_id: str, body: bytes, secret: bytes | None) -> Mapping[str, str]:
    moment = str(int(time.time()))
    headers = {"webhook-id": message_id, "webhook-timestamp": moment}
    if secret is None:
        return headers
    signed = hmac.new(secret, f"{message_id}.{moment}.".encode() + body, hashlib.sha256).digest()
    return headers | {"webhook-signature": f"v1,{base64.b64encode(signed).decode()}"}


def _key(said: str) -> bytes:
    """`whsec_` and base64, or base64 alone, as the specification has secrets. Raises Undelivered."""
    try:
        return base64.b64decode(said.removeprefix(_SECRET_PREFIX), validate=True)
    except ValueError:
        raise Undelivered("the secret is not in base64 (`whsec_…`)") from None


def _shown(url: str) -> str:
    """Host alone: many receivers have their token in the path."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}"
