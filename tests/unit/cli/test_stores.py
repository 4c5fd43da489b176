"""Which store a command works on."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest

from alsek.cli import stores
from alsek.cli.stores import open_backend
from tests.unit.cli.conftest import Shell


def _revoked(alsek: Shell, uuid: str, *options: str, **env: str) -> bool:
    return alsek("revoke", uuid, *options, **env).code == 0


@pytest.mark.parametrize("store", ["{}", "sqlite:///{}", "alsek.db", "sqlite:///alsek.db", "./alsek.db"])
def test_a_store_is_named_by_a_path_or_a_url(alsek: Shell, store: str) -> None:
    """A path and a url of SQLite, absolute (then with four slashes) or relative, name the same file."""
    uuid = alsek.submit().uuid
    assert _revoked(alsek, uuid, "--store", store.format(alsek.store))


def test_the_default_is_a_file_in_the_working_directory(alsek: Shell) -> None:
    """Without any option, `alsek.db` is used."""
    assert _revoked(alsek, alsek.submit().uuid)


def test_the_environment_names_a_store(alsek: Shell, tmp_path: Any) -> None:
    """ALSEK_STORE and ALSEK_NAMESPACE stand for the options; what is typed goes before them."""
    other = open_backend(str(tmp_path / "other.db"), "n", create=True)
    other.ping()
    uuid = alsek.submit().uuid
    env = {"ALSEK_STORE": str(tmp_path / "other.db"), "ALSEK_NAMESPACE": "n"}
    said = alsek("revoke", uuid, **env)
    assert said.code == 1
    assert "other.db, namespace 'n'" in said.err
    assert _revoked(alsek, uuid, "--store", "alsek.db", "--namespace", "alsek", **env)
    other.close()


def test_a_package_names_its_own_store(alsek: Shell) -> None:
    """The store of `--package`, or of ALSEK_PACKAGE, is that of its tasks' broker; `--store` goes before a variable."""
    name = alsek.module("@task(broker)\ndef work(): ...\n")
    assert _revoked(alsek, alsek.submit().uuid, "--package", name)
    assert _revoked(alsek, alsek.submit().uuid, ALSEK_PACKAGE=name)
    assert _revoked(alsek, alsek.submit().uuid, "-s", "alsek.db", ALSEK_PACKAGE="nothing")
    assert _revoked(alsek, alsek.submit().uuid, "-p", name, ALSEK_STORE="nothing.db", ALSEK_NAMESPACE="x")


@pytest.mark.parametrize(
    ("options", "env", "said"),
    [
        (["--store", "a.db", "--package", "shop"], {}, "can't be combined"),
        ([], {"ALSEK_STORE": "a.db", "ALSEK_PACKAGE": "shop"}, "are both set"),
        (["--package", "shop", "--namespace", "n"], {}, "--namespace goes with --store"),
        (["--store", "postgres://u:secret@h/db"], {}, "store postgres://…: no store has this scheme"),
        (["--store", "sqlite://alsek.db"], {}, "must be sqlite:///path"),
        (["--store", ""], {}, "must be a url, or the path"),
        (["--store", "redis://:secret@h/x"], {}, "its database must be a number"),
        (["--namespace", "a b"], {}, "namespace 'a b'"),
        (["--package", "nowhere"], {}, "no module or package 'nowhere'"),
    ],
)
def test_what_names_no_store_is_wrong_usage(
    alsek: Shell, options: list[str], env: dict[str, str], said: str
) -> None:
    """Exit code 2, and a sentence that shows no password; as JSON, too."""
    told = alsek("revoke", "1", *options, **env)
    assert (told.code, told.out) == (2, "")
    assert said in told.err
    assert "secret" not in told.err
    told = alsek("revoke", "1", "--json", *options, **env)
    assert told.code == 2
    assert said in told.json["error"]


def test_a_file_that_is_not_there_is_not_created(alsek: Shell) -> None:
    """Exit code 1; the sentence says where it was looked for."""
    alsek.backend.close()
    alsek.store.unlink()
    told = alsek("revoke", "1")
    assert told.code == 1
    assert f"no store is named, and there is no {alsek.store}: give --store URL or --package" in told.err
    told = alsek("revoke", "1", "--json", "--store", "no/where.db")
    assert told.code == 1
    assert told.json == {"error": f"there is no store {alsek.folder / 'no/where.db'}"}
    assert not alsek.store.exists()


def test_three_slashes_for_four_are_noticed(alsek: Shell) -> None:
    """`sqlite:///srv/alsek.db` is a relative path; if only the absolute one exists, the error says how to write it."""
    told = alsek("revoke", "1", "--store", f"sqlite://{alsek.store}")
    assert told.code == 1
    assert f"write sqlite:///{alsek.store}, with four slashes" in told.err


def test_a_server_that_is_away_has_its_own_exit_code(alsek: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 3, without a password or a traceback."""
    redis: Any = import_module("alsek.storage.backends.redis")
    patient = redis.RedisBackend

    def impatient(url: str, namespace: str, partitions: None) -> Any:
        return patient(url, namespace=namespace, timeout=50, partitions=partitions)

    monkeypatch.setattr(redis, "RedisBackend", impatient)
    told = alsek("revoke", "1", "--json", "--store", "redis://:secret@127.0.0.1:1")
    assert told.code == 3
    assert "127.0.0.1:1/0 can't be reached" in told.json["error"]
    assert told.err.startswith("alsek: Redis at 127.0.0.1:1/0 can't be reached")
    assert "secret" not in told.err + told.out


def test_a_store_whose_package_is_missing_says_what_to_install(
    alsek: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 2, and the command that installs it."""

    def missing(name: str) -> ModuleType:
        raise ModuleNotFoundError(f"{name} lives in alsek-redis", name="alsek-redis")

    monkeypatch.setattr(stores, "import_module", missing)
    told = alsek("revoke", "1", "--store", "redis://localhost")
    assert told.code == 2
    assert "pip install alsek-redis" in told.err


def test_a_package_with_two_stores_is_refused(alsek: Shell) -> None:
    """It is not guessed which one is meant."""
    name = alsek.module(
        "other = Broker(SQLiteBackend('other.db'))\n"
        "@task(broker)\ndef work(): ...\n@task(other)\ndef rest(): ...\n"
    )
    told = alsek("revoke", "1", "--package", name)
    assert told.code == 2
    assert "the tasks of 'shop' have several stores" in told.err
    assert "--store" in told.err


def test_a_package_whose_store_is_its_own_memory_is_refused(alsek: Shell) -> None:
    """Nothing outside of a process can look into its memory."""
    name = alsek.module(
        "from alsek.storage.backends.memory import MemoryBackend\n"
        "@task(Broker(MemoryBackend()))\ndef work(): ...\n"
    )
    told = alsek("revoke", "1", "--package", name)
    assert told.code == 2
    assert "no other process can look into" in told.err


def test_what_a_package_prints_is_not_on_stdout(alsek: Shell) -> None:
    """A module that prints while it is imported does not spoil the JSON document."""
    name = alsek.module("print('hello')\n@task(broker)\ndef work(): ...\n")
    uuid = alsek.submit().uuid
    told = alsek("revoke", uuid, "--json", "--package", name)
    assert told.json == [{"uuid": uuid, "queue": "q", "state": "ready"}]
    assert told.err == "hello\n"


def test_a_package_that_fails_shows_its_traceback(alsek: Shell) -> None:
    """Exit code 2, whatever it raises; stdout has the error as JSON."""
    (alsek.folder / "broken.py").write_text("raise SystemExit('gone')\n")
    told = alsek("revoke", "1", "--json", "--package", "broken")
    assert told.code == 2
    assert told.json == {"error": "'broken' can't be imported: SystemExit: gone"}
    assert 'broken.py", line 1' in told.err
    assert "broken" not in sys.modules
