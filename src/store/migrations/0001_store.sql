-- Audit events: the leaves of a Merkle tree (RFC 6962), numbered in commit order, never changed.
CREATE TABLE audit_events (
    position   BIGINT PRIMARY KEY,  -- index of the leaf, from 0 without gaps
    leaf       BYTES  NOT NULL,     -- canonical encoding of the event (base/logformat.h)
    hash       BYTES  NOT NULL,     -- SHA-256(0x00 || leaf): level 0 of the tree
    happened   BIGINT NOT NULL,     -- ms since 1970, copied out of the leaf for searching
    kind       TEXT   NOT NULL,     -- event type, copied out of the leaf
    actor      TEXT   NOT NULL,     -- who did it, copied out of the leaf
    object     TEXT   NOT NULL,     -- object kind and id, "project:...", copied out of the leaf
    request    TEXT   NOT NULL      -- signing request id or empty, copied out of the leaf
);
CREATE INDEX audit_events_by_request ON audit_events (request, position);
CREATE INDEX audit_events_by_object ON audit_events (object, position);

-- Roots of complete subtrees, so that proofs of any size need O(log n) rows.
CREATE TABLE audit_nodes (
    level      BIGINT NOT NULL,     -- k from 1: root over 2^k leaves
    position   BIGINT NOT NULL,     -- number of the subtree at its level, from 0
    hash       BYTES  NOT NULL,     -- SHA-256
    PRIMARY KEY (level, position)
);

-- Heads as signed by the key process.
CREATE TABLE audit_heads (
    node       TEXT   NOT NULL,     -- whose log key signed
    journal    BIGINT NOT NULL,     -- number of the last journal record when it was signed
    size       BIGINT NOT NULL,     -- number of leaves covered
    root       BYTES  NOT NULL,     -- SHA-256 Merkle root
    epoch      BIGINT NOT NULL,     -- raised by every restore
    signature  BYTES  NOT NULL,     -- Ed25519 over the text of the head
    log_key    BYTES  NOT NULL,     -- SubjectPublicKeyInfo
    stored_at  BIGINT NOT NULL,     -- ms since 1970
    PRIMARY KEY (node, journal, size)
);
CREATE INDEX audit_heads_by_size ON audit_heads (size);

-- Work to be done. A row is deleted when the work is complete.
CREATE TABLE jobs (
    id         TEXT   PRIMARY KEY,  -- UUID
    lane       TEXT   NOT NULL,     -- who serves it: worker, mail ...
    kind       TEXT   NOT NULL,     -- inspect, sign, verify ...
    subject    TEXT   NOT NULL,     -- what it works on, mostly a signing request id
    project    TEXT   NOT NULL,     -- for fairness: projects take turns; empty = the system
    state      TEXT   NOT NULL CHECK (state IN ('ready', 'claimed')), -- claimed: somebody is at it
    not_before BIGINT NOT NULL,     -- ms since 1970; a retry waits until then
    attempts   BIGINT NOT NULL,     -- times claimed
    node       TEXT   NOT NULL,     -- owner while claimed, else empty
    boot       TEXT   NOT NULL,     -- boot id of that owner, else empty
    token      BIGINT NOT NULL,     -- fencing token: rises with every claim and reclaim
    queued_at  BIGINT NOT NULL      -- ms since 1970
);
CREATE UNIQUE INDEX jobs_once ON jobs (kind, subject);
CREATE INDEX jobs_by_subject ON jobs (subject);
CREATE INDEX jobs_by_turn ON jobs (lane, project, state, queued_at);
CREATE INDEX jobs_by_due ON jobs (lane, state, not_before);

-- Whose turn it is in a lane: the project with the lowest number that has a job due.
CREATE TABLE job_turns (
    lane       TEXT   NOT NULL,     -- as in jobs
    project    TEXT   NOT NULL,     -- as in jobs
    turn       BIGINT NOT NULL,     -- rises with every claim in the lane
    PRIMARY KEY (lane, project)
);
CREATE INDEX job_turns_in_order ON job_turns (lane, turn);

-- Answers that a worker gets again when it runs again (ARCHITECTURE.md, "Replay").
CREATE TABLE effects (
    grant_id   BYTES  NOT NULL,     -- grant that the slot belongs to
    slot       BIGINT NOT NULL,     -- plan item
    kind       BIGINT NOT NULL,     -- 1 signature, 2 time stamp
    attempt    BIGINT NOT NULL,     -- of a time stamp, else 0
    request    BYTES  NOT NULL,     -- what was asked: digest and algorithm, or time-stamp request
    answer     BYTES  NOT NULL,     -- what came back
    stored_at  BIGINT NOT NULL,     -- ms since 1970
    PRIMARY KEY (grant_id, slot, kind, attempt)
);
