-- name: request_insert
INSERT INTO requests (id, organization, number, project, policy, configuration, configuration_version, policy_version,
  project_slug, project_name, policy_slug, policy_name, configuration_slug, configuration_name,
  submitter, submitter_name, token_name, address, user_agent, description, parameters, original,
  file_name, artifact, artifact_size, artifact_deleted, status, workflow_status, cancel_at, cancel_wanted, reason,
  attempt, attempts_failed, scan, error_code, error_user, error_detail, error_path, error_line, error_column, created)
SELECT $1, $2, COALESCE(MAX(number), 0) + 1, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
  $21, $22, $23, $24, 0, 'InProgress', 'Submitted', $25, 0, '', 0, 0, '', '', '', '', '', 0, 0, $26 FROM requests

-- name: request_by_id
SELECT * FROM requests WHERE organization = $1 AND id = $2

-- name: request_for_job
SELECT r.id, r.organization, r.submitter, r.project, r.policy, r.configuration, r.configuration_version, r.project_slug,
  r.policy_slug, r.file_name, r.artifact, r.artifact_size, r.parameters, r.plan, r.slots, r.attempt, r.attempts_failed, r.scan,
  r.reason, r.cancel_wanted, r.created, r.finished, p.timestamp_mode, p.scan_mode, p.status AS policy_status, p.version AS policy_current, p.purpose,
  c.id AS certificate, c.key_id, c.key_type, c.status, c.chain AS certificate_records, c.slug, c.der, c.not_before, c.not_after,
  c.sha256 AS certificate_sha256, c.slug AS certificate_slug, v.xml, v.sha256 AS configuration_sha256, j.status AS project_status
FROM requests r JOIN signing_policies p ON p.id = r.policy JOIN certificates c ON c.id = p.certificate
JOIN projects j ON j.id = r.project
JOIN configuration_versions v ON v.configuration = r.configuration AND v.version = r.configuration_version
WHERE r.id = $1

-- name: requests_list
SELECT id, number, project_slug, project_name, policy_slug, policy_name, configuration_slug, status, workflow_status, description,
  submitter, submitter_name, file_name, created, finished, project, policy
FROM requests WHERE organization = $1 AND number < $2 ORDER BY number DESC LIMIT $3

-- name: requests_list_of_project
SELECT id, number, project_slug, project_name, policy_slug, policy_name, configuration_slug, status, workflow_status, description,
  submitter, submitter_name, file_name, created, finished, project, policy
FROM requests WHERE organization = $1 AND number < $2 AND project = $4 ORDER BY number DESC LIMIT $3

-- name: request_set_state
UPDATE requests SET status = $2, workflow_status = $3 WHERE id = $1 AND finished IS NULL

-- name: request_set_plan
UPDATE requests SET plan = $2, plan_items = $3, slots = $4, scan = $5, status = $6, workflow_status = $7
WHERE id = $1 AND finished IS NULL

-- name: request_begin_attempt
UPDATE requests SET attempt = $2, subject = $3 WHERE id = $1 AND finished IS NULL

-- name: request_complete
UPDATE requests SET status = 'Completed', workflow_status = 'Completed', output = $2, output_size = $3, receipt = $4, finished = $5
WHERE id = $1 AND finished IS NULL AND cancel_wanted = 0

-- name: request_fail
UPDATE requests SET status = 'Failed', workflow_status = $2, error_code = $3, error_user = $4, error_detail = $5,
  error_path = $6, error_line = $7, error_column = $8, finished = $9 WHERE id = $1 AND finished IS NULL

-- name: request_count_failure
UPDATE requests SET attempts_failed = attempts_failed + 1 WHERE id = $1 AND finished IS NULL

-- name: request_cancel
UPDATE requests SET status = 'Canceled', workflow_status = 'Canceled', reason = $2, finished = $3 WHERE id = $1 AND finished IS NULL

-- name: request_want_cancel
UPDATE requests SET cancel_wanted = 1, reason = $2 WHERE id = $1 AND finished IS NULL

-- name: request_to_cancel
SELECT r.id FROM requests r CROSS JOIN jobs j
WHERE r.finished IS NULL AND r.cancel_wanted = 1 AND j.subject = r.id AND j.state = 'ready' AND j.not_before <= $1 LIMIT 1

-- name: requests_past_deadline
SELECT id, organization FROM requests WHERE finished IS NULL AND cancel_wanted = 0 AND cancel_at IS NOT NULL AND cancel_at < $1 LIMIT 100

-- name: requests_uses_blob
SELECT COUNT(*) AS n FROM (SELECT 1 AS one FROM requests WHERE artifact = $1
  UNION ALL SELECT 1 FROM requests WHERE plan = $1 UNION ALL SELECT 1 FROM requests WHERE output = $1) x

-- name: request_step_add
INSERT INTO request_steps (request, ordinal, name, started, note)
SELECT $1, COALESCE(MAX(ordinal), 0) + 1, $2, $3, $4 FROM request_steps WHERE request = $1

-- name: request_steps
SELECT name, started, note FROM request_steps WHERE request = $1 ORDER BY ordinal LIMIT 200

-- name: idempotency_by_key
SELECT content, request, created FROM idempotency WHERE owner = $1 AND key = $2

-- name: idempotency_insert
INSERT INTO idempotency (owner, key, content, request, created) VALUES ($1, $2, $3, $4, $5)

-- name: idempotency_delete_old
DELETE FROM idempotency WHERE created < $1

-- name: grant_insert
INSERT INTO grants (id, request, kind, attempt, encoding, intent, seed, time, state, created)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'open', $9)

-- name: grant_open_of_request
SELECT id, attempt, encoding, intent, seed, time FROM grants WHERE request = $1 AND state = 'open' ORDER BY attempt DESC LIMIT 1

-- name: grant_set_state
UPDATE grants SET state = $2, uses = $3 WHERE id = $1

-- name: outbox_insert
INSERT INTO outbox (id, kind, object, created) VALUES ($1, $2, $3, $4)

-- name: request_wants_cancel
SELECT cancel_wanted FROM requests WHERE id = $1 AND finished IS NULL

-- name: outcome_leaf
SELECT MAX(position) AS position FROM audit_events WHERE request = $1 AND kind = 'OUTCOME' HAVING COUNT(*) > 0
