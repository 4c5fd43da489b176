"""Make pictures, let a process pool make them small, and show what it made."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
N_PICTURES = 6


def main() -> int:
    """Run the example; 0 if all thumbnails are there."""
    with tempfile.TemporaryDirectory(prefix="alsek-thumbnails-") as name:
        folder = Path(name)
        os.environ["THUMBNAILS_DB"] = str(folder / "thumbnails.db")
        sys.path.insert(0, str(HERE))
        from PIL import Image
        from tasks import broker, make_thumbnail

        pictures = [folder / f"{number}.png" for number in range(N_PICTURES)]
        for number, picture in enumerate(pictures):
            Image.effect_mandelbrot((400 + 100 * number, 300), (-2, -1.5, 1, 1.5), 50).save(picture)
        broken = folder / "broken.png"
        broken.write_bytes(b"this is no picture")

        messages = make_thumbnail.generate_many((each,) for each in [*pictures, broken])
        subprocess.run(
            [sys.executable, "-m", "alsek.cli", "process-pool", "tasks", "--burst", "--log-level", "ERROR"],
            cwd=HERE,
            check=True,
        )
        for message in messages[:-1]:
            made = make_thumbnail.result(message)
            print(f"{made.file.name}: {made.width} x {made.height}")
        (dead,) = broker.dead_letters(messages[-1].queue)
        print(f"dead letter: {dead.exception_details['text']}")
        small = list(folder.glob("*.thumbnail.png"))
        return 0 if len(small) == N_PICTURES else 1


if __name__ == "__main__":
    sys.exit(main())
