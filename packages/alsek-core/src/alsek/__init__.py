"""Alsek: a distributed task queue whose guarantees are written down and proven."""

from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)
