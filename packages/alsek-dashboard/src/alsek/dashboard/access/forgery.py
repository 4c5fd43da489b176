"""Refuses changes that another site has the user's browser ask for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request

from alsek.dashboard.access.sessions import Session, Sessions

#: The field of each form that has its seal, and what is sealed.
FIELD: Final = "form"
_PURPOSE: Final = "form"


def form_seal(sessions: Sessions, session: Session) -> str:
    """Return what each form of a session must have."""
    return sessions.seal(session, _PURPOSE)


def refusal(
    request: Request, form: Mapping[str, str], sessions: Sessions, session: Session | None
) -> str | None:
    """Return why the change that a form asks for is refused; None if it is not.

    The form must come from this site as far as the browser tells, and have the seal of the session. A browser may say
    neither ``Sec-Fetch-Site`` nor a named ``Origin``: over plain http to another machine it says ``null``, since pages
    ask for no referrer. Then the seal decides alone, which is bound to a cookie that no other site can send.
    """
    if not _is_same_site(request):
        return "The form was sent by another site."
    if session is None or not sessions.is_sealed(session, _PURPOSE, form.get(FIELD, "")):
        return (
            "The form is not of your session, which may have ended. Go back, reload the page, and try again."
        )
    return None


def _is_same_site(request: Request) -> bool:
    fetched = request.headers.get("sec-fetch-site")
    if fetched is not None:
        return fetched == "same-origin"
    origin = request.headers.get("origin", "null")
    return origin == "null" or urlsplit(origin).netloc == request.headers.get("host")
