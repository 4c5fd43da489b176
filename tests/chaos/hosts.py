"""Hosts of a scenario: network namespaces, each with a cable of its own to this machine. Only root can make them."""

from __future__ import annotations

import os
import subprocess
import uuid


class Host:
    """A network namespace, and the two ends of its cable.

    Args:
        number: Of the host: 1 to 254; the network is 10.213.NUMBER.0.
    """

    def __init__(self, number: int) -> None:
        assert os.geteuid() == 0, "only root can make hosts (network namespaces)"
        self.name = f"alsek{uuid.uuid4().hex[:6]}"
        self._ours, theirs = f"{self.name}a", f"{self.name}b"
        #: Where this machine is for programs of the host.
        self.address = f"10.213.{number}.1"
        _ip("netns", "add", self.name)
        try:
            _ip("link", "add", self._ours, "type", "veth", "peer", "name", theirs)
            _ip("link", "set", theirs, "netns", self.name)
            _ip("addr", "add", f"{self.address}/24", "dev", self._ours)
            _ip("-n", self.name, "addr", "add", f"10.213.{number}.2/24", "dev", theirs)
            _ip("-n", self.name, "link", "set", theirs, "up")
            self.plug()
        except BaseException:
            self.close()
            raise

    @property
    def command(self) -> list[str]:
        """What a program's command begins with so that it runs there, under the same pid."""
        return ["ip", "netns", "exec", self.name]

    def unplug(self) -> None:
        """Pull the cable: packets are lost, and neither side is told."""
        _ip("link", "set", self._ours, "down")

    def plug(self) -> None:
        """Put the cable in."""
        _ip("link", "set", self._ours, "up")

    def close(self) -> None:
        """Delete it; programs that run there lose their network."""
        subprocess.run(["ip", "link", "del", self._ours], check=False, capture_output=True)
        subprocess.run(["ip", "netns", "del", self.name], check=False, capture_output=True)


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr}"
