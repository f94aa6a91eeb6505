-- name: store_version
SELECT max(number) AS number FROM schema_migrations

-- name: store_migrated
INSERT INTO schema_migrations (number, name, applied_at) VALUES ($1, $2, $3)

-- name: store_savepoint
SAVEPOINT member

-- name: store_rollback_to
ROLLBACK TO SAVEPOINT member

-- name: store_release
RELEASE SAVEPOINT member
