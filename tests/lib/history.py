# SPDX-License-Identifier: Apache-2.0
"""Reads the database and the key journal of a stopped service and proves the invariants of
ARCHITECTURE.md over them: I1, I3 to I5 (no key use without a logged intent, no slot with two
digests, one final state and at most one output for every accepted request; every grant is closed)."""
import os
import sqlite3
import struct

SECTOR, CHAIN = 512, 32
GRANT, USE, CLOSE, ALARM, ONCE, CHECKPOINT = 3, 4, 5, 11, 12, 13


class Bytes:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        part = self.data[self.at:self.at + n]
        if len(part) != n:
            raise ValueError("short record")
        self.at += n
        return part

    def number(self, n):
        return int.from_bytes(self.take(n), "little")

    def bytes(self):
        return self.take(self.number(4))

    def left(self):
        return len(self.data) - self.at


def entries(data):
    """ENTRY records: (number, kind, body)."""
    r = Bytes(data)
    while r.left():
        number, _, kind = r.number(8), r.number(8), r.number(1)
        yield number, kind, r.bytes()


def journal_entries(path):
    with open(path, "rb") as f:
        data = f.read()
    at = SECTOR
    while at + 20 <= len(data) and data[at:at + 4] == b"CHG1":
        length = struct.unpack_from("<I", data, at + 4)[0]
        if at + 20 + length + CHAIN > len(data):
            return  # a cut tail: nobody was answered for it
        yield from entries(data[at + 20:at + 20 + length])
        at += 20 + length + CHAIN
        at = (at + SECTOR - 1) // SECTOR * SECTOR


def grant_of(opened):
    """OPENED: index, boot, GRANT bytes -> (leaf index, grant id, request, slots)."""
    r = Bytes(opened)
    index, _, grant = r.number(8), r.number(8), Bytes(r.bytes())
    identity, _, request = grant.bytes(), grant.bytes(), grant.bytes().decode()
    grant.number(4)
    grant.bytes()
    grant.number(1)
    grant.bytes()
    grant.bytes()
    return index, identity, request, grant.number(4)


class Journal:
    """Everything that all journal files of a key folder say, each record once."""

    def __init__(self, paths):
        self.grants, self.uses, self.alarms, self.open, seen = {}, {}, 0, set(), {}
        for path in paths:
            for number, kind, body in journal_entries(path):
                if kind == CHECKPOINT:
                    for _, inner, data in entries(Bytes(body).bytes() if False else body):
                        self.take(inner, data)
                    continue
                assert seen.setdefault(number, (kind, body)) == (kind, body), "record %d twice" % number
                self.take(kind, body)

    def take(self, kind, body):
        if kind in (GRANT, ONCE):
            index, identity, request, slots = grant_of(body)
            self.grants[identity] = (index, request, slots)
            if kind == GRANT:
                self.open.add(identity)
        elif kind == CLOSE:
            self.open.discard(Bytes(body).bytes())
        elif kind == USE:
            r = Bytes(body)
            identity, slot, algorithm, digest = r.bytes(), r.number(4), r.number(4), r.bytes()
            known = self.uses.setdefault((identity, slot), (algorithm, digest))
            assert known == (algorithm, digest), "slot %d of %s has two digests" % (slot, identity.hex())
        elif kind == ALARM:
            self.alarms += 1


def check(data, accepted, journals):
    """accepted: ids that were answered with 201. Returns counts."""
    db = sqlite3.connect("file:%s?mode=ro" % os.path.join(data, "db/chancery.db"), uri=True)
    db.row_factory = sqlite3.Row
    rows = {r["id"]: r for r in db.execute("SELECT * FROM requests")}
    for request in accepted:
        assert request in rows, "request %s is lost" % request
    for request, row in rows.items():
        assert row["finished"] is not None, "request %s is stuck in %s" % (request, row["workflow_status"])
        ends = db.execute("SELECT COUNT(*) FROM audit_events WHERE request = ? AND kind IN ('OUTCOME', 'SigningRequest.Ended')",
                          (request,)).fetchone()[0]
        assert ends == 1, "request %s has %d ends in the log" % (request, ends)
        if row["status"] == "Completed":
            digest = bytes(row["output"]).hex()
            assert os.path.exists(os.path.join(data, "blobs", digest[:2], digest[2:4], digest)), "output is not there"
    journal = Journal(journals)
    leaves = {r["position"]: r for r in db.execute("SELECT position, kind, leaf FROM audit_events WHERE kind = 'INTENT'")}
    for identity, (index, request, slots) in journal.grants.items():
        assert index in leaves, "grant %s has no INTENT leaf" % identity.hex()
        assert identity in bytes(leaves[index]["leaf"]), "INTENT leaf %d is for another grant" % index
    for (identity, slot), _ in journal.uses.items():
        assert identity in journal.grants, "a key was used without a grant"
        assert slot < journal.grants[identity][2], "slot %d is above n" % slot
    # Nothing more can be signed for a request that has ended, and the log says what was signed in vain.
    left = [identity.hex() for identity in journal.open if journal.grants[identity][1] in rows]
    assert not left, "grants of finished requests are open: %s" % left
    assert db.execute("SELECT COUNT(*) FROM grants WHERE state = 'open'").fetchone()[0] == 0
    assert journal.alarms == 0, "the key process saw a second digest"
    completed = sum(1 for r in rows.values() if r["status"] == "Completed")
    return {"requests": len(rows), "completed": completed, "grants": len(journal.grants), "uses": len(journal.uses)}
