"""Stores for messages, results, statuses and locks."""

from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)
