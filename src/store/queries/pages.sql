-- name: requests_list_of_status
SELECT id, number, project_slug, project_name, policy_slug, policy_name, configuration_slug, status, workflow_status, description,
  submitter, submitter_name, file_name, created, finished, project, policy
FROM requests WHERE organization = $1 AND number < $2 AND status = $4 ORDER BY number DESC LIMIT $3

-- name: requests_list_of_project_status
SELECT id, number, project_slug, project_name, policy_slug, policy_name, configuration_slug, status, workflow_status, description,
  submitter, submitter_name, file_name, created, finished, project, policy
FROM requests WHERE organization = $1 AND number < $2 AND project = $4 AND status = $5 ORDER BY number DESC LIMIT $3

-- name: policies_of_certificate
SELECT s.slug, s.name, p.slug AS project_slug, p.name AS project_name FROM signing_policies s JOIN projects p ON p.id = s.project
WHERE p.organization = $1 AND s.certificate = $2 ORDER BY p.slug_folded, s.slug_folded LIMIT 500

-- name: configurations_of_policy
SELECT c.id, c.slug, c.name, c.version, p.default_configuration, s.name AS policy_name FROM signing_policies s
JOIN projects p ON p.id = s.project JOIN artifact_configurations c ON c.project = p.id
WHERE p.organization = $1 AND s.id = $2 AND c.status = 'Valid' ORDER BY c.slug_folded LIMIT 500

-- name: setup_progress
SELECT (SELECT COUNT(*) FROM certificates WHERE organization = $1) AS certificates,
  (SELECT COUNT(*) FROM projects WHERE organization = $1) AS projects,
  (SELECT COUNT(*) FROM principals m JOIN signing_policies s ON s.id = m.object JOIN projects p ON p.id = s.project
    WHERE p.organization = $1 AND m.list = 'submitter') AS submitters,
  (SELECT COUNT(*) FROM (SELECT 1 AS one FROM requests WHERE organization = $1 AND status = 'Completed' LIMIT 1) x) AS completed

-- name: audit_newest
SELECT position, leaf FROM audit_events WHERE position < $1 ORDER BY position DESC LIMIT $2

-- name: audit_newest_of_request
SELECT position, leaf FROM audit_events WHERE request = $3 AND position < $1 ORDER BY position DESC LIMIT $2

-- name: token_of_owner
SELECT name, revoked FROM tokens WHERE owner = $1 AND id = $2

-- name: token_revoke
UPDATE tokens SET revoked = $3 WHERE owner = $1 AND id = $2 AND revoked IS NULL
