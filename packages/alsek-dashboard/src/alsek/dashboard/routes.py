"""What is served: pages, their news, changes, and the login."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    HTMLResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route

from alsek.core.loggers import guarded_logger
from alsek.dashboard.access.bodies import form_of
from alsek.dashboard.access.forgery import form_seal, refusal
from alsek.dashboard.access.headers import SafeHeaders
from alsek.dashboard.access.hosts import KnownHosts
from alsek.dashboard.access.sessions import Session, Sessions
from alsek.dashboard.changes.all_changes import CHANGES
from alsek.dashboard.live.feed import Feed
from alsek.dashboard.live.stream import events
from alsek.dashboard.pages.all_pages import PAGES
from alsek.dashboard.pages.page import MissingError, View
from alsek.dashboard.reading.store_threads import StoreThreads
from alsek.dashboard.reading.store_view import StoreView
from alsek.dashboard.rendering.renderer import Renderer
from alsek.dashboard.settings import Settings
from alsek.exceptions import AlsekError, BackendError

log = guarded_logger(__name__)

_STATIC: Final = Path(__file__).parent / "rendering" / "static"
_KINDS: Final = {
    "dashboard.css": "text/css",
    "dashboard.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
#: Longer values in a query are no names, uuids or texts to look for.
_LONGEST: Final = 1_000


class Routes:
    """Answers requests.

    Args:
        store: What pages read, and forms change.
        settings: Of the dashboard.
    """

    def __init__(self, store: StoreView, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self._sessions = Sessions(settings.key, settings.token)
        self._renderer = Renderer(settings)
        self._threads = StoreThreads()
        self.feed = Feed(self._news)

    def application(self) -> Starlette:
        """Return the ASGI application."""
        middleware = [Middleware(SafeHeaders)]
        if self._settings.hosts is not None:
            middleware.append(Middleware(KnownHosts, hosts=self._settings.hosts))
        routes = [
            Route("/", self.page, name="overview"),
            Route("/events", self.news),
            Route("/login", self.login, methods=["GET", "POST"]),
            Route("/logout", self.logout, methods=["POST"]),
            Route("/change/{name}", self.change, methods=["POST"]),
            Route("/static/{name}", self.static),
            Route("/{page}", self.page),
        ]
        application = Starlette(routes=routes, middleware=middleware)
        application.state.end_streams = self.feed.end
        return application

    async def static(self, request: Request) -> Response:
        """Serve the style sheet, the script and the icon."""
        name = request.path_params["name"]
        if name not in _KINDS:
            return PlainTextResponse("There is no such file.\n", 404)
        return FileResponse(_STATIC / name, media_type=_KINDS[name])

    async def page(self, request: Request) -> Response:
        """Serve a page."""
        name = request.path_params.get("page", "overview")
        session = self._sessions.of(request)
        if not self._sessions.may_see(session):
            return self._to_login(request, name)
        if name not in PAGES or (name == "overview" and "page" in request.path_params):
            return await self._trouble(request, session, 404, "There is no such page.")
        view = _view(request, name)
        kept = session or self._sessions.new(self._settings.token is None)
        more = {"seal": form_seal(self._sessions, kept), "notice": self._notice(request, kept)}
        try:
            text = await self._threads.run(self._page_text, view, more)
        except MissingError as error:
            return await self._trouble(request, kept, 404, str(error))
        except AlsekError as error:
            return await self._trouble(
                request, kept, 503 if isinstance(error, BackendError) else 400, str(error)
            )
        response = _html(text)
        if session is None:
            self._sessions.put(response, kept, request)
        return response

    async def news(self, request: Request) -> Response:
        """Serve what is new of a page, as server-sent events."""
        session = self._sessions.of(request)
        if not self._sessions.may_see(session):
            return PlainTextResponse("Log in first.\n", 401)
        name = request.query_params.get("page", "")
        if name not in PAGES:
            return PlainTextResponse("There is no such page.\n", 404)
        # Without a session no form can be sent, so none needs a seal.
        seal = "" if session is None else form_seal(self._sessions, session)
        view = _view(request, name)
        stream = _encoded(events(self.feed, view, self._renderer.placeholder, seal))
        return StreamingResponse(stream, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})

    async def login(self, request: Request) -> Response:
        """Serve the page that asks for the token, and take the token."""
        base, trouble, status = _base(request), None, 200
        if self._settings.token is None:
            return RedirectResponse(f"{base}/", 303)
        back = request.query_params.get("back", "")
        session = self._sessions.of(request) or self._sessions.new(trusted=False)
        if request.method == "POST":
            form = await form_of(request)
            if form is None:
                return PlainTextResponse("This is no form.\n", 400)
            back = form.get("back", "")
            trouble, status = refusal(request, form, self._sessions, self._sessions.of(request)), 403
            if trouble is None:
                if self._sessions.is_token(form.get("token", "")):
                    response: Response = RedirectResponse(f"{base}/{_local(back)}", 303)
                    self._sessions.put(response, self._sessions.new(trusted=True), request)
                    return response
                log.warning("Somebody gave a wrong token to the dashboard.")
                trouble, status = "This is not the token.", 403
        seal = form_seal(self._sessions, session)
        response = _html(self._renderer.login(base, seal=seal, back=_local(back), trouble=trouble), status)
        self._sessions.put(response, session, request)
        return response

    async def logout(self, request: Request) -> Response:
        """End the session of this browser."""
        form = await form_of(request) or {}
        refused = refusal(request, form, self._sessions, self._sessions.of(request))
        if refused is not None:
            return PlainTextResponse(f"{refused}\n", 403)
        response = RedirectResponse(f"{_base(request)}/", 303)
        self._sessions.end(response, request)
        return response

    async def change(self, request: Request) -> Response:
        """Make a change that a form asks for, after a question if it can't be taken back."""
        session = self._sessions.of(request)
        if not self._sessions.may_see(session):
            return await self._trouble(request, None, 401, "Log in first.")
        if self._settings.read_only:
            return await self._trouble(request, session, 403, "This dashboard is read-only.")
        form = await form_of(request)
        if form is None:
            return await self._trouble(request, session, 400, "This is no form of this dashboard.")
        refused = refusal(request, form, self._sessions, session)
        change = CHANGES.get(request.path_params["name"])
        if refused is not None or session is None:
            log.warning("The dashboard refused a change: %s", refused)
            return await self._trouble(request, session, 403, refused or "")
        if change is None:
            return await self._trouble(request, session, 404, "There is no such change.")
        form["back"] = _local(form.get("back", ""))
        try:
            if change.ask is not None and form.get("agreed") != "yes":
                question = await self._threads.run(change.ask, self._store, form)
                fields = {
                    name: value for name, value in form.items() if name not in ("form", "agreed")
                } | question.more
                return await self._ask(request, session, question, fields)
            said = await self._threads.run(change.act, self._store, form)
        except AlsekError as error:
            status = 503 if isinstance(error, BackendError) else 409
            return await self._trouble(request, session, status, str(error))
        self._store.forget()
        log.info("The dashboard made a change (%s): %s", request.path_params["name"], said)
        path, _, query = form["back"].partition("?")
        told = urlencode(
            {"notice": said, "sealed": self._sessions.seal(session, f"notice {said}")}, errors="replace"
        )
        return RedirectResponse(f"{_base(request)}/{path}?{f'{query}&' if query else ''}{told}", 303)

    async def _ask(
        self, request: Request, session: Session, question: Any, fields: Mapping[str, str]
    ) -> Response:
        name = request.path_params["name"]
        shown = {"question": question, "fields": fields, "change": name, "title": "Are you sure?"}
        return await self._bare(request, session, 200, "ask", shown)

    async def _trouble(self, request: Request, session: Session | None, status: int, text: str) -> Response:
        if not self._sessions.may_see(session):
            return PlainTextResponse(f"{text}\n", status)
        return await self._bare(
            request, session, status, "trouble", {"text": text, "title": "That did not work"}
        )

    async def _bare(
        self, request: Request, session: Session | None, status: int, template: str, shown: Mapping[str, Any]
    ) -> Response:
        """Return a page that shows nothing of the store."""
        view = View(PAGES["overview"], (), _base(request))
        more = {
            "seal": "" if session is None else form_seal(self._sessions, session),
            "template": f"pages/{template}.html",
            "live": False,
        }
        return _html(self._renderer.page(view, None, shown, **more), status)

    def _page_text(self, view: View, more: Mapping[str, Any]) -> str:
        snapshot = self._store.snapshot()
        return self._renderer.page(
            view, snapshot, view.page.read(self._store, snapshot, dict(view.query)), **more
        )

    async def _news(self, view: View) -> str:
        return await self._threads.run(self._news_text, view)

    def _news_text(self, view: View) -> str:
        snapshot = self._store.snapshot()
        try:
            shown = view.page.read(self._store, snapshot, dict(view.query))
        except MissingError:
            return ""  # it is gone; what the page shows is the last that was known
        return self._renderer.news(view, snapshot, shown)

    def _notice(self, request: Request, session: Session) -> str | None:
        """Return what was done by the form before; only what this dashboard has said itself."""
        text = request.query_params.get("notice", "")
        sealed = self._sessions.is_sealed(session, f"notice {text}", request.query_params.get("sealed", ""))
        return text if text and sealed else None

    def _to_login(self, request: Request, name: str) -> Response:
        query = f"?{request.url.query}" if request.url.query else ""
        back = urlencode({"back": f"{'' if name == 'overview' else name}{query}"})
        return RedirectResponse(f"{_base(request)}/login?{back}", 303)


def _base(request: Request) -> str:
    """Return the path below which the dashboard is served, without a slash at its end."""
    return str(request.scope.get("root_path", "")).rstrip("/")


def _view(request: Request, name: str) -> View:
    page = PAGES[name]
    given = {key: request.query_params.get(key, "")[:_LONGEST] for key in page.query}
    return View(page, tuple((key, value) for key, value in given.items() if value), _base(request))


def _local(back: str) -> str:
    """Return where to go back to: a page of this dashboard, or the overview."""
    name, _, query = back.partition("?")
    return (
        back
        if name in PAGES and name != "overview"
        else f"?{query}"
        if query and name in ("", "overview")
        else ""
    )


def _html(text: str, status: int = 200) -> HTMLResponse:
    """Return HTML. What a store says may have characters that no encoding has."""
    return HTMLResponse(text.encode("utf-8", "replace"), status)


async def _encoded(texts: AsyncGenerator[str]) -> AsyncGenerator[bytes]:
    async for text in texts:
        yield text.encode("utf-8", "replace")
