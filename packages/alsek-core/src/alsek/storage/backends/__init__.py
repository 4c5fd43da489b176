"""One package a store; what each must hold is in :mod:`alsek.storage.backends.abstract`."""

from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)

from alsek.storage.backends.lazy import LazyClient

__all__ = ["LazyClient"]
