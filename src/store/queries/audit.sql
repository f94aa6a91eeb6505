-- name: audit_event_add
INSERT INTO audit_events (position, leaf, hash, happened, kind, actor, object, request)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)

-- name: audit_node_add
INSERT INTO audit_nodes (level, position, hash) VALUES ($1, $2, $3)

-- name: audit_size
SELECT max(position) AS last FROM audit_events

-- name: audit_leaf
SELECT leaf FROM audit_events WHERE position = $1

-- name: audit_hash
SELECT hash FROM audit_events WHERE position = $1

-- name: audit_node
SELECT hash FROM audit_nodes WHERE level = $1 AND position = $2

-- name: audit_node_count
SELECT count(*) AS count FROM audit_nodes

-- name: audit_page
SELECT position, leaf, hash, happened, kind, actor, object, request FROM audit_events
WHERE position >= $1 ORDER BY position LIMIT $2

-- name: audit_lowest
SELECT min(position) AS first FROM audit_events

-- name: audit_head_add
INSERT INTO audit_heads (node, journal, size, root, epoch, signature, log_key, stored_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (node, journal, size) DO NOTHING

-- name: audit_head_last
SELECT node, journal, size, root, epoch, signature, log_key, stored_at FROM audit_heads
ORDER BY epoch DESC, journal DESC, size DESC LIMIT 1

-- name: audit_heads
SELECT node, journal, size, root, epoch, signature, log_key, stored_at FROM audit_heads
ORDER BY size, epoch, journal, node
