"""The ledger knows its cluster and its receivers, and remembers who changed them."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from solders.pubkey import Pubkey

from solpay_pipeline.ledger import audit, installation
from solpay_pipeline.ledger.audit import BEGINNING, Action
from solpay_pipeline.ledger.installation import AnotherCluster, NotAllowed
from solpay_pipeline.ledger.tables import audit_entry

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
HOME, OTHER = Pubkey.new_unique(), Pubkey.new_unique()


def three_entries(connection):
    return [
        audit.append(connection, Action.ALLOW_RECEIVER, f"address {n}", "moved", NOW + n * DAY)
        for n in range(3)
    ]


def test_an_untouched_trail_is_whole_and_tells_its_head(connection):
    assert audit.verify(connection) == audit.Verified(0, BEGINNING, ())
    *_, newest = three_entries(connection)
    assert audit.verify(connection) == audit.Verified(3, newest, ())
    assert audit.head(connection) == newest
    assert audit.verify(connection, known_head=newest).broken == ()


def test_a_changed_entry_is_named(connection):
    three_entries(connection)
    connection.execute(
        sa.update(audit_entry).where(audit_entry.c.id == 2).values(subject="address of a thief")
    )
    (words,) = audit.verify(connection).broken
    assert "entry 2" in words
    assert "address of a thief" in words


def test_a_removed_entry_is_missed_by_the_one_behind_it(connection):
    three_entries(connection)
    connection.execute(sa.delete(audit_entry).where(audit_entry.c.id == 2))
    (words,) = audit.verify(connection).broken
    assert "before entry 3" in words


def test_an_added_entry_does_not_fit(connection):
    _, _, newest = three_entries(connection)
    connection.execute(
        sa.insert(audit_entry),
        {
            "at": NOW,
            "action": "allow_receiver",
            "subject": "x",
            "reason": "",
            "operator": "me",
            "host": "here",
            "previous_hash": newest,
            "hash": "f" * 64,
        },
    )
    assert audit.verify(connection).broken


def test_a_trail_that_was_rewritten_is_found_out_by_a_head_from_an_earlier_event(connection):
    *_, reported = three_entries(connection)
    connection.execute(sa.delete(audit_entry))
    audit.append(connection, Action.ALLOW_RECEIVER, "only this one", "", NOW)
    assert audit.verify(connection).broken == ()
    (words,) = audit.verify(connection, known_head=reported).broken
    assert reported in words


def test_a_ledger_is_bound_to_the_first_cluster_and_refuses_another(connection):
    installation.bind_cluster(connection, "genesis of mainnet", NOW)
    installation.bind_cluster(connection, "genesis of mainnet", NOW)
    with pytest.raises(AnotherCluster, match="genesis of devnet"):
        installation.bind_cluster(connection, "genesis of devnet", NOW)
    installation.rebind_cluster(connection, "genesis of devnet", "it was reset", NOW)
    installation.bind_cluster(connection, "genesis of devnet", NOW)
    assert [one.action for one in audit.entries(connection)] == ["bind_cluster", "rebind_cluster"]


def test_a_receiver_without_a_delay_takes_money_whatever_another_machines_clock_says(connection):
    installation.allow(connection, HOME, "the shop's", NOW)
    (home,) = installation.receivers(connection)
    assert home.takes_money(NOW - DAY)


def test_a_receiver_takes_money_after_its_delay_and_until_it_is_revoked(connection):
    installation.allow(connection, HOME, "the shop's", NOW, delay=DAY)
    (home,) = installation.receivers(connection)
    assert not home.takes_money(NOW)
    assert home.takes_money(NOW + DAY)
    with pytest.raises(NotAllowed, match="already"):
        installation.allow(connection, HOME, "again", NOW)
    with pytest.raises(NotAllowed, match="not among"):
        installation.revoke(connection, OTHER, "who", NOW)
    installation.revoke(connection, HOME, "key lost", NOW + 2 * DAY)
    (home,) = installation.receivers(connection)
    assert not home.takes_money(NOW + 3 * DAY)
    installation.allow(connection, HOME, "found again", NOW + 4 * DAY)
    (home,) = installation.receivers(connection)
    assert home.takes_money(NOW + 4 * DAY)
    assert audit.verify(connection).entries == 3
