"""``alsek revoke``."""

from __future__ import annotations

from tests.unit.cli.conftest import Shell


def test_messages_are_revoked_by_uuid_alone(alsek: Shell) -> None:
    """Whatever queue they are in, and whether they are delayed or not."""
    one, two = alsek.submit(queue="a"), alsek.submit(queue="b", delay=60_000)
    said = alsek("revoke", one.uuid, two.uuid)
    assert said.code == 0
    assert said.lines == [
        f"revoked {one.uuid} (ready in queue 'a')",
        f"revoked {two.uuid} (delayed in queue 'b')",
    ]
    assert alsek.broker.is_revoked(one)
    assert alsek.broker.is_revoked(two)


def test_an_unknown_uuid_does_not_keep_others_from_being_revoked(alsek: Shell) -> None:
    """Exit code 1; the sentence says what was looked for and where, JSON what was done as well."""
    known, dead = alsek.submit(), alsek.fail(ValueError("no"))
    said = alsek("revoke", "nobody", known.uuid, dead.uuid, "--json")
    assert said.code == 1
    assert alsek.broker.is_revoked(known)
    assert said.json["revoked"] == [{"uuid": known.uuid, "queue": "q", "state": "ready"}]
    assert "there is no message 'nobody' in SQLite file" in said.json["error"]
    assert f"there is no message {dead.uuid!r}" in said.json["error"]
    assert "it is a dead letter of queue 'q'" in said.err


def test_no_uuid_is_wrong_usage(alsek: Shell) -> None:
    """Exit code 2; as JSON, too."""
    said = alsek("revoke", "--json")
    assert said.code == 2
    assert "UUID" in said.json["error"]
