"""Submit payments more than once, kill a worker in the middle of one, and count what was charged."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent


def main() -> int:
    """Run the example; 0 if each payment was charged once."""
    with tempfile.TemporaryDirectory(prefix="alsek-payments-") as folder:
        os.environ["PAYMENTS_FOLDER"] = folder
        sys.path.insert(0, str(HERE))
        from bank import TooLateError
        from tasks import CRASH, backend, bank, pay

        from alsek import Lock

        # Somebody holds the account, and is stopped for longer than that lasts.
        stopped = Lock("account-ada", backend, ttl=200, owner_id="stopped")
        stopped.acquire()
        time.sleep(0.3)

        messages = [pay.send(f"order-{number}", "ada", 990) for number in range(3) for _ in range(3)]
        print(f"{len(messages)} times pressed, {len({message.uuid for message in messages})} messages")
        CRASH.touch()
        command = [sys.executable, "-m", "alsek.cli", "process-pool", "tasks", "--log-level", "CRITICAL"]
        with subprocess.Popen(command, cwd=HERE) as pool:
            try:
                for message in messages[::3]:
                    print(f"{message.args[0]}: {pay.result(message, timeout=30_000)}")
            finally:
                pool.terminate()

        try:
            bank.charge("order-9", "ada", 990, stopped.fence)
        except TooLateError as error:
            print(f"refused: {error}")
        charges = bank.charges()
        print(f"charged: {charges}")
        return 0 if charges == [(f"order-{number}", "ada", 990) for number in range(3)] else 1


if __name__ == "__main__":
    sys.exit(main())
