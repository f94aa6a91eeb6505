-- Audit events: the leaves of a Merkle tree (RFC 6962), numbered in commit order, never changed.
CREATE TABLE audit_events (
    position   BIGINT PRIMARY KEY,  -- index of the leaf, from 0 without gaps
    leaf       BYTES  NOT NULL,     -- canonical encoding of the event; its hash is in the tree
    happened   BIGINT NOT NULL,     -- ms since 1970, copied out of the leaf for searching
    kind       TEXT   NOT NULL,     -- event type, copied out of the leaf
    actor      TEXT   NOT NULL,     -- who did it, copied out of the leaf
    object     TEXT   NOT NULL,     -- object kind and id, "project:...", copied out of the leaf
    request    TEXT   NOT NULL      -- signing request id or empty, copied out of the leaf
);
CREATE INDEX audit_events_by_request ON audit_events (request, position);
CREATE INDEX audit_events_by_object ON audit_events (object, position);

-- Hashes of complete subtrees, so that proofs of any size need O(log n) rows.
CREATE TABLE audit_nodes (
    level      BIGINT NOT NULL,     -- 0 = leaf hash, k = root over 2^k leaves
    position   BIGINT NOT NULL,     -- number of the subtree at its level, from 0
    hash       BYTES  NOT NULL,     -- SHA-256
    PRIMARY KEY (level, position)
);

-- At most one row: where the tree ends. None while it is empty.
CREATE TABLE audit_tree (
    id         BIGINT PRIMARY KEY CHECK (id = 1),
    size       BIGINT NOT NULL,     -- number of leaves
    frontier   BYTES  NOT NULL      -- roots of the complete subtrees, largest first, 32 bytes each
);

-- Heads as signed by the key process.
CREATE TABLE audit_heads (
    size       BIGINT PRIMARY KEY,  -- number of leaves covered
    root       BYTES  NOT NULL,     -- SHA-256 Merkle root
    journal    BIGINT NOT NULL,     -- number of the key journal record that holds this head
    signed_at  BIGINT NOT NULL,     -- ms since 1970
    signature  BYTES  NOT NULL,     -- Ed25519 by the log key
    log_key    BYTES  NOT NULL      -- public key, 32 bytes
);

-- Work to be done. A row is deleted when the work is complete.
CREATE TABLE jobs (
    id         TEXT   PRIMARY KEY,  -- UUID
    kind       TEXT   NOT NULL,     -- inspect, scan, sign, verify, release, notify ...
    subject    TEXT   NOT NULL,     -- what it works on, mostly a signing request id
    project    TEXT   NOT NULL,     -- for fairness: projects take turns; empty = the system
    state      TEXT   NOT NULL CHECK (state IN ('ready', 'claimed', 'failed')),
    not_before BIGINT NOT NULL,     -- ms since 1970; a retry waits until then
    attempts   BIGINT NOT NULL,     -- times claimed
    node       TEXT   NOT NULL,     -- owner while claimed, else empty
    boot       TEXT   NOT NULL,     -- boot id of that owner, else empty
    token      BIGINT NOT NULL,     -- fencing token: rises with every claim and reclaim
    queued_at  BIGINT NOT NULL      -- ms since 1970
);
CREATE INDEX jobs_ready ON jobs (state, not_before);
CREATE UNIQUE INDEX jobs_once ON jobs (kind, subject);

-- Whose turn it is: when a project's job was last claimed.
CREATE TABLE job_turns (
    project    TEXT   PRIMARY KEY,
    turn       BIGINT NOT NULL      -- rises with every claim of any project
);

-- Answers that a worker gets again when it runs again (ARCHITECTURE.md, Replay).
CREATE TABLE effects (
    grant_id   TEXT   NOT NULL,     -- grant that the slot belongs to
    slot       BIGINT NOT NULL,     -- plan item
    kind       TEXT   NOT NULL,     -- signature or token
    request    BYTES  NOT NULL,     -- what was asked: digest and algorithm, or time-stamp request
    answer     BYTES  NOT NULL,     -- what came back
    stored_at  BIGINT NOT NULL,     -- ms since 1970
    PRIMARY KEY (grant_id, slot, kind)
);
