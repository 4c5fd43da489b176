"""The task of this example: `alsek process-pool tasks` runs it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from alsek import Broker, Reject, ResultStore, SQLiteBackend, task

backend = SQLiteBackend(os.environ.get("THUMBNAILS_DB", "thumbnails.db"))
broker = Broker(backend, result_store=ResultStore(backend))

#: The longest side of a thumbnail, in pixels.
SIDE = 64


@dataclass
class Thumbnail:
    """A small picture: its file, and its size in pixels."""

    file: Path
    width: int
    height: int


@task(broker, mechanism="process", timeout=30_000, max_retries=2)
def make_thumbnail(picture: Path) -> Thumbnail:
    """Write a small copy beside a picture."""
    made = picture.with_name(f"{picture.stem}.thumbnail.png")
    try:
        with Image.open(picture) as image:
            image.thumbnail((SIDE, SIDE))
            # Under another name first: if this process dies here, nobody finds half a picture.
            half = made.with_suffix(".part")
            image.save(half, "PNG")
            half.replace(made)
            return Thumbnail(made, *image.size)
    except UnidentifiedImageError as error:
        raise Reject(f"{picture.name} is no picture") from error
