"""``alsek check``."""

from __future__ import annotations

import os

import pytest

from tests.unit.cli.conftest import Shell


def test_a_good_store_is_said_to_be_good(alsek: Shell) -> None:
    """Exit code 0; each thing that was looked at has a line."""
    said = alsek("check")
    assert said.code == 0, said.out
    subjects = [line.split()[1] for line in said.lines]
    assert subjects == ["reachable", "version", "file", "writable", "journal", "integrity", "space"]
    assert alsek("check", "--json").json["ok"] is True


def test_a_package_is_imported(alsek: Shell) -> None:
    """With `--package` its tasks are named; if it can't be imported, that is what is found, and its traceback."""
    name = alsek.module("@task(broker)\ndef work(): ...\n")
    said = alsek("check", "--package", name, "--json")
    assert said.code == 0
    assert said.json["findings"][0]["text"] == "'shop' can be imported; it defines 1 task: work."
    alsek.module("1 / 0\n", "broken")
    said = alsek("check", "--package", "broken", "--json")
    assert said.code == 1
    (finding,) = said.json["findings"]
    assert finding["level"] == "error"
    assert "ZeroDivisionError" in finding["text"]
    assert 'broken.py", line' in said.err


def test_a_store_that_is_not_there_is_an_error(alsek: Shell) -> None:
    """Exit code 1, like everything that is not well."""
    said = alsek("check", "--store", "nothing.db", "--json")
    assert said.code == 1
    (finding,) = said.json["findings"]
    assert (finding["subject"], finding["level"]) == ("store", "error")
    assert "there is no store" in finding["text"]


def test_a_damaged_file_is_found(alsek: Shell) -> None:
    """A page of the file that was overwritten shows in its integrity."""
    for number in range(200):
        alsek.submit(uuid=f"m{number}")
    alsek.backend.close()
    size = alsek.store.stat().st_size
    with alsek.store.open("r+b") as file:
        file.seek(size // 2)
        file.write(os.urandom(size // 2 - 2_048))
    said = alsek("check", "--json")
    assert said.code == 1
    assert any(
        finding["level"] == "error" and "damaged" in finding["text"] for finding in said.json["findings"]
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anything")
def test_a_file_that_cannot_be_written_is_found(alsek: Shell) -> None:
    """Whatever the store says of it: exit code 1."""
    alsek.backend.close()
    alsek.store.chmod(0o400)
    said = alsek("check", "--json")
    assert said.code == 1
    assert "can't be written" in said.out
