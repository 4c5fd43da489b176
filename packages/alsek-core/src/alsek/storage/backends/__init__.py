"""The backends, a package each. Their base class is in :mod:`alsek.storage.backends.abstract`."""

from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)

from alsek.storage.backends.lazy import LazyClient

__all__ = ["LazyClient"]
