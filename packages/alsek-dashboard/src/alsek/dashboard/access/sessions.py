"""Sessions: a signed cookie, and the seals that are bound to it.

Nothing is stored. A session is a random number, when it ends, whether its user has given the token, and a signature
over these. So it holds in all processes of a server that have the same key, and ends everywhere if the key changes.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from alsek.core.clock import wall_clock_ms

#: How long a session lasts.
LIFETIME_S: Final = 12 * 3_600
_LONGEST: Final = 200


@dataclass(frozen=True, slots=True)
class Session:
    """A session.

    Attributes:
        text: As the cookie has it.
        trusted: Its user has given the token.
    """

    text: str
    trusted: bool


class Sessions:
    """Makes sessions, and tells those that it has made from others.

    Args:
        key: A secret.
        token: What a user must give to be trusted; None if everybody is.
    """

    def __init__(self, key: bytes, token: str | None) -> None:
        self._key = hashlib.sha256(b"alsek-dashboard\n" + key).digest()
        self._token = token
        # Browsers don't tell the ports of one machine apart: two dashboards need two names.
        self.cookie = f"alsek-dashboard-{self._sign('name')[:12]}"

    def new(self, trusted: bool) -> Session:
        """Return a new session."""
        ends_at = wall_clock_ms() // 1_000 + LIFETIME_S
        body = f"{secrets.token_urlsafe(18)}.{ends_at}.{int(trusted)}"
        return Session(f"{body}.{self._sign(f'session {body}')}", trusted)

    def of(self, request: Request) -> Session | None:
        """Return the session of a request; None if it has none that is valid now."""
        text = request.cookies.get(self.cookie, "")
        body, _, signature = text.rpartition(".")
        if len(text) > _LONGEST or not _equal(signature, self._sign(f"session {body}")):
            return None
        _, ends_at, trusted = body.split(".")
        if int(ends_at) < wall_clock_ms() // 1_000:
            return None
        return Session(text, trusted == "1")

    def may_see(self, session: Session | None) -> bool:
        """Return True if pages are shown to this session."""
        return self._token is None or (session is not None and session.trusted)

    def is_token(self, given: str) -> bool:
        """Return True if this is the token. It takes as long for each text of a length."""
        return self._token is not None and _equal(given, self._token)

    def seal(self, session: Session, text: str) -> str:
        """Return what only this dashboard can say of a text to this session."""
        return self._sign(f"seal {session.text} {text}")

    def is_sealed(self, session: Session, text: str, seal: str) -> bool:
        """Return True if this is the seal of the text for this session."""
        return _equal(seal, self.seal(session, text))

    def put(self, response: Response, session: Session, request: Request) -> None:
        """Give a session to the browser: no script sees it, and no other site sends it."""
        response.set_cookie(
            self.cookie,
            session.text,
            max_age=LIFETIME_S,
            path=_path(request),
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )

    def end(self, response: Response, request: Request) -> None:
        """Take the session from the browser."""
        response.delete_cookie(self.cookie, path=_path(request), httponly=True, samesite="strict")

    def _sign(self, text: str) -> str:
        return hmac.new(self._key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def _path(request: Request) -> str:
    return str(request.scope.get("root_path", "")).rstrip("/") + "/"


def _equal(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "surrogatepass"), other.encode("utf-8", "surrogatepass"))
