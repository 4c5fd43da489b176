"""Messages, tasks, brokers: what producers and workers share."""

from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)
