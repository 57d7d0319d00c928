"""What a database's error means for a run: trouble that passes, or something that a person must change.

By the codes of the databases, not by their words: the primary result codes of SQLite (sqlite.org/rescode.html) and the
SQLSTATEs of PostgreSQL (its manual, appendix A). A violated constraint is neither; whoever writes knows what it means.
"""

import sqlite3
from typing import Final

from sqlalchemy.exc import DBAPIError, IntegrityError

from solpay_pipeline.base.errors import NeedsOperator, Passing, SolpayError


class DatabaseTrouble(SolpayError):
    """The database cannot be used. The text is one line and holds no password."""


class DatabaseProblem(DatabaseTrouble, NeedsOperator):
    """It cannot be used as it is configured, or as it is."""


class BadDatabaseUrl(DatabaseProblem):
    """The URL is not one of SQLite or PostgreSQL, or lacks what it needs."""


class DatabaseUnreachable(DatabaseProblem):
    """The URL is valid, but its file, folder or server cannot be opened."""


class DatabaseAway(DatabaseTrouble, Passing):
    """A lost connection, a lock, a failover, two transactions that met: what was not committed is done again."""


_SQLITE_PASSES: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_SCHEMA,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_NOMEM,
    }
)

# Lost connections, rolled back transactions, too many clients, locks and cancelled statements, servers that go or come.
_POSTGRESQL_PASSES: Final = ("08", "40", "53200", "53300", "55P03", "57", "58", "25P03", "25P04")

_REMEDIES: Final = {
    "55P03": "another process holds the lock of a table or row",
    str(sqlite3.SQLITE_READONLY): "it is read-only: may this user write the file and its folder?",
    str(sqlite3.SQLITE_FULL): "its disk is full",
    "25006": "it is read-only: is this a standby, or a role that may only read?",
    "53100": "its disk is full",
    "42501": "its role lacks rights: grant SELECT, INSERT, UPDATE and DELETE on the shop's and the `solpay_` tables",
    "42P01": "a table is not where it is looked for: run `solpay doctor`",
    "42703": "a column is not where it is looked for: run `solpay doctor`",
    "3F000": "the schema does not exist: see the search_path of the role",
}

_SQLITE_SCHEMA = ("no such table", "no such column")


def sorted_trouble(error: BaseException, where: str, words: str) -> DatabaseTrouble | None:
    """The trouble that a driver's error stands for, told in `words` of the database at `where`.

    None where the error is no trouble of the database's.
    """
    if isinstance(error, IntegrityError | sqlite3.IntegrityError):
        return None
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    if not isinstance(error, DBAPIError | sqlite3.Error) and not hasattr(cause, "sqlstate"):
        return None  # It is no driver's: a value of ours that cannot be written, for one.
    code = _code(cause)
    if code is not None and code.startswith("23"):
        return None
    remedy = _REMEDIES.get(code or "")
    if code is None or _passes(cause, code):
        return DatabaseAway(f"the database {where}: {words}" + (f"; {remedy}" if remedy else ""))
    if remedy is None and words.startswith(_SQLITE_SCHEMA):
        remedy = _REMEDIES["42P01"]
    return DatabaseProblem(f"the database {where}: {words}" + (f"; {remedy}" if remedy else ""))


def _code(cause: BaseException) -> str | None:
    """SQLite's primary result code, the lowest byte, or PostgreSQL's SQLSTATE; None where the driver says none."""
    if isinstance(cause, sqlite3.Error):
        number = getattr(cause, "sqlite_errorcode", None)
        return None if number is None else str(number & 0xFF)
    state = getattr(cause, "sqlstate", None)
    return None if state is None else str(state)


def _passes(cause: BaseException, code: str) -> bool:
    if isinstance(cause, sqlite3.Error):
        return int(code) in _SQLITE_PASSES
    return code.startswith(_POSTGRESQL_PASSES)
