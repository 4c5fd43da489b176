"""A serializer that encrypts what another one writes. Needs the extra ``alsek-core[crypto]``."""

from __future__ import annotations

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from alsek.core.short_repr import shown
from alsek.exceptions import ValidationError
from alsek.storage.serialization import Serializer, as_bytes

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

#: Comes before encrypted data; then the name of the key, the nonce, and the ciphertext with its tag.
_MARK: Final = b"\x01e"
_NAME_SIZE: Final = 8
_NONCE_SIZE: Final = 12
_KEY_SIZE: Final = 32


class Encrypted(Serializer):
    """Encrypts what `serializer` writes, with AES-256-GCM: who has the store can neither read nor forge it.

    Names of queues and uuids, and the errors of dead letters, are not encrypted.

    To rotate keys, put the new one first, in all processes; keep the old ones until nothing is stored under them.

    Args:
        serializer: Turns values into bytes.
        keys: The keys, as :meth:`new_key` makes them. The first encrypts; each of them decrypts.
        read_plain: Also read data that is not encrypted, such as what was stored before. Then who can write to the
            store can forge messages.

    Raises:
        ValidationError: A key is no 32 bytes in URL-safe base64; or there is none.
        ModuleNotFoundError: The package ``cryptography`` is not installed.
    """

    def __init__(
        self, serializer: Serializer, keys: Sequence[str | bytes], *, read_plain: bool = False
    ) -> None:
        if not isinstance(serializer, Serializer):
            raise ValidationError(f"serializer={shown(serializer)} of Encrypted: must be a Serializer")
        if isinstance(keys, str | bytes) or not keys:
            raise ValidationError("keys of Encrypted: must be a list of at least one key, the newest first")
        ciphers = [_cipher(key) for key in keys]
        self.serializer = serializer
        self._name, self._cipher = ciphers[0]
        self._ciphers = dict(reversed(ciphers))
        self._read_plain = read_plain

    @staticmethod
    def new_key() -> str:
        """Return a new random key: 32 bytes as URL-safe base64."""
        return urlsafe_b64encode(os.urandom(_KEY_SIZE)).decode("ascii")

    def forward(self, obj: Any) -> bytes:
        nonce = os.urandom(_NONCE_SIZE)
        head = _MARK + self._name
        return head + nonce + self._cipher.encrypt(nonce, as_bytes(self.serializer.forward(obj)), head)

    def reverse(self, obj: bytes) -> Any:
        if not obj.startswith(_MARK):
            if self._read_plain:
                return self.serializer.reverse(obj)
            raise ValueError("the data is not encrypted: read_plain=True of Encrypted would read it")
        from cryptography.exceptions import InvalidTag

        after_name = len(_MARK) + _NAME_SIZE
        head, nonce = obj[:after_name], obj[after_name : after_name + _NONCE_SIZE]
        cipher = self._ciphers.get(head[len(_MARK) :])
        if cipher is None:
            raise ValueError("the data is encrypted under a key that is not among the keys of Encrypted")
        try:
            data = cipher.decrypt(nonce, obj[after_name + _NONCE_SIZE :], head)
        except (InvalidTag, ValueError) as error:
            raise ValueError("the encrypted data was damaged or forged") from error
        return self.serializer.reverse(data)

    def __repr__(self) -> str:
        return f"Encrypted({self.serializer!r}, {len(self._ciphers)} keys)"


def _cipher(key: str | bytes) -> tuple[bytes, AESGCM]:
    """Return the name of a key, and what encrypts under it."""
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ModuleNotFoundError as missing:
        raise ModuleNotFoundError(
            "Encrypted needs the package cryptography: pip install alsek-core[crypto]", name=missing.name
        ) from missing
    try:
        raw = urlsafe_b64decode(key)
    except (ValueError, TypeError):
        raw = b""
    if len(raw) != _KEY_SIZE:
        # The key is not shown: it is a secret, and logs are not.
        raise ValidationError(
            "a key of Encrypted is no 32 bytes in URL-safe base64: Encrypted.new_key() makes one"
        )
    return sha256(raw).digest()[:_NAME_SIZE], AESGCM(raw)
