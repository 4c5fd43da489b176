"""The Redis backend."""

from alsek.storage.backends.redis.standard import RedisBackend

__all__ = ["RedisBackend"]
