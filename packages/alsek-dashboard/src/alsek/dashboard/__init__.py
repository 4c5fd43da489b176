"""The dashboard: an ASGI application that shows a store in a browser, and steers it.

``app.mount("/alsek", dashboard(broker))`` within an application of Starlette or FastAPI.
"""

from __future__ import annotations

from alsek.dashboard.application import dashboard

__all__ = ["dashboard"]
