-- name: organization_insert
INSERT INTO organizations (id, name, created) VALUES ($1, $2, $3)

-- name: organization_any
SELECT id, name FROM organizations ORDER BY created LIMIT 1

-- name: organization_by_id
SELECT id, name, created FROM organizations WHERE id = $1

-- name: user_insert
INSERT INTO users (id, organization, kind, name, name_folded, email, email_folded, role, status, password, created)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)

-- name: user_by_id
SELECT id, organization, kind, name, email, role, status, password FROM users WHERE organization = $1 AND id = $2

-- name: user_by_email
SELECT id, organization, kind, name, email, role, status, password FROM users WHERE organization = $1 AND email_folded = $2

-- name: ci_user_by_name
SELECT id, organization, kind, name, role, status FROM users WHERE organization = $1 AND kind = 'CI' AND name_folded = $2

-- name: user_set_role
UPDATE users SET role = $2 WHERE id = $1

-- name: user_set_name
UPDATE users SET name = $2, name_folded = $3 WHERE id = $1

-- name: user_set_password
UPDATE users SET password = $2, status = 'Active' WHERE id = $1

-- name: users_list
SELECT id, kind, name, email, role, status, created FROM users WHERE organization = $1 ORDER BY kind, name_folded LIMIT 1000

-- name: token_insert
INSERT INTO tokens (hash, id, organization, owner, name, created, expires) VALUES ($1, $2, $3, $4, $5, $6, $7)

-- name: token_by_hash
SELECT t.id, t.name AS token_name, t.expires, t.revoked, t.last_used, u.id AS owner, u.organization, u.name, u.kind, u.role, u.status
FROM tokens t JOIN users u ON u.id = t.owner WHERE t.hash = $1

-- name: token_touch
UPDATE tokens SET last_used = $2 WHERE hash = $1

-- name: tokens_of_user
SELECT id, name, created, expires, last_used, revoked FROM tokens WHERE owner = $1 ORDER BY created LIMIT 500

-- name: token_by_name
SELECT id, expires, revoked FROM tokens WHERE owner = $1 AND name = $2 AND revoked IS NULL LIMIT 1

-- name: session_insert
INSERT INTO sessions (hash, organization, owner, csrf, created, last_seen) VALUES ($1, $2, $3, $4, $5, $6)

-- name: session_by_hash
SELECT s.csrf, s.created, s.last_seen, u.id AS owner, u.organization, u.name, u.kind, u.role, u.status
FROM sessions s JOIN users u ON u.id = s.owner WHERE s.hash = $1

-- name: session_touch
UPDATE sessions SET last_seen = $2 WHERE hash = $1

-- name: session_delete
DELETE FROM sessions WHERE hash = $1

-- name: sessions_delete_of_user
DELETE FROM sessions WHERE owner = $1

-- name: sessions_delete_old
DELETE FROM sessions WHERE last_seen < $1 OR created < $2

-- name: setup_code_insert
INSERT INTO setup_codes (hash, owner, expires) VALUES ($1, $2, $3)

-- name: setup_code_by_hash
SELECT c.owner, c.expires, u.organization, u.status FROM setup_codes c JOIN users u ON u.id = c.owner WHERE c.hash = $1

-- name: setup_codes_delete_old
DELETE FROM setup_codes WHERE expires < $1

-- name: setup_codes_delete_of_user
DELETE FROM setup_codes WHERE owner = $1

-- name: certificate_insert
INSERT INTO certificates (id, organization, slug, slug_folded, name, description, purpose, type, creation_method, key_store,
  key_type, key_id, status, subject, der, chain, sha256, not_before, not_after, version, created)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, 1, $20)

-- name: certificate_by_slug
SELECT * FROM certificates WHERE organization = $1 AND slug_folded = $2

-- name: certificate_by_id
SELECT * FROM certificates WHERE organization = $1 AND id = $2

-- name: certificate_set_name
UPDATE certificates SET name = $2, description = $3, version = version + 1 WHERE id = $1

-- name: certificates_of_purpose
SELECT der FROM certificates WHERE organization = $1 AND purpose = $2 AND type = 'X509' ORDER BY slug_folded LIMIT 500

-- name: certificates_list
SELECT id, slug, name, purpose, type, key_type, status, subject, not_before, not_after, sha256 FROM certificates
WHERE organization = $1 ORDER BY slug_folded LIMIT 500

-- name: project_insert
INSERT INTO projects (id, organization, slug, slug_folded, name, description, status, repository_urls, version, created)
VALUES ($1, $2, $3, $4, $5, $6, 'Valid', $7, 1, $8)

-- name: project_by_slug
SELECT * FROM projects WHERE organization = $1 AND slug_folded = $2

-- name: project_by_id
SELECT * FROM projects WHERE organization = $1 AND id = $2

-- name: project_update
UPDATE projects SET name = $2, description = $3, repository_urls = $4, version = version + 1 WHERE id = $1

-- name: project_set_default
UPDATE projects SET default_configuration = $2, version = version + 1 WHERE id = $1

-- name: projects_list
SELECT id, slug, name, status FROM projects WHERE organization = $1 ORDER BY slug_folded LIMIT 1000

-- name: configuration_insert
INSERT INTO artifact_configurations (id, project, slug, slug_folded, name, status, version, created)
VALUES ($1, $2, $3, $4, $5, 'Valid', 1, $6)

-- name: configuration_by_slug
SELECT * FROM artifact_configurations WHERE project = $1 AND slug_folded = $2

-- name: configuration_by_id
SELECT c.*, p.organization FROM artifact_configurations c JOIN projects p ON p.id = c.project WHERE p.organization = $1 AND c.id = $2

-- name: configuration_set_version
UPDATE artifact_configurations SET version = $2 WHERE id = $1

-- name: configuration_set_name
UPDATE artifact_configurations SET name = $2 WHERE id = $1

-- name: configurations_list
SELECT id, slug, name, status, version FROM artifact_configurations WHERE project = $1 ORDER BY slug_folded LIMIT 500

-- name: configuration_version_insert
INSERT INTO configuration_versions (configuration, version, xml, sha256, author, created) VALUES ($1, $2, $3, $4, $5, $6)

-- name: configuration_version
SELECT xml, sha256, author, created FROM configuration_versions WHERE configuration = $1 AND version = $2

-- name: policy_insert
INSERT INTO signing_policies (id, project, slug, slug_folded, name, purpose, status, certificate, timestamp_mode, scan_mode,
  allow_hash_signing, version, created)
VALUES ($1, $2, $3, $4, $5, $6, 'Valid', $7, $8, $9, $10, 1, $11)

-- name: policy_by_slug
SELECT * FROM signing_policies WHERE project = $1 AND slug_folded = $2

-- name: policy_by_id
SELECT s.*, p.organization, p.slug AS project_slug FROM signing_policies s JOIN projects p ON p.id = s.project
WHERE p.organization = $1 AND s.id = $2

-- name: policy_update
UPDATE signing_policies SET name = $2, certificate = $3, timestamp_mode = $4, scan_mode = $5, allow_hash_signing = $6,
  version = version + 1 WHERE id = $1

-- name: policies_list
SELECT s.id, s.slug, s.name, s.purpose, s.status, s.timestamp_mode, s.scan_mode, c.slug AS certificate_slug
FROM signing_policies s JOIN certificates c ON c.id = s.certificate WHERE s.project = $1 ORDER BY s.slug_folded LIMIT 500

-- name: policies_for_submitter
SELECT s.id, s.slug, s.name, p.slug AS project_slug, p.name AS project_name FROM principals m
JOIN signing_policies s ON s.id = m.object JOIN projects p ON p.id = s.project
WHERE m.member = $1 AND m.list = 'submitter' AND p.organization = $2 AND s.status = 'Valid' AND p.status = 'Valid'
ORDER BY p.slug_folded, s.slug_folded LIMIT 500

-- name: policies_any_of_submitter
SELECT object FROM principals WHERE member = $1 AND list = 'submitter' LIMIT 1

-- name: principal_insert
INSERT INTO principals (object, list, member) VALUES ($1, $2, $3) ON CONFLICT (object, list, member) DO NOTHING

-- name: principals_delete
DELETE FROM principals WHERE object = $1 AND list = $2

-- name: principals_list
SELECT u.id, u.kind, u.name, u.email FROM principals m JOIN users u ON u.id = m.member
WHERE m.object = $1 AND m.list = $2 ORDER BY u.kind, u.name_folded LIMIT 500

-- name: principal_lists
SELECT list FROM principals WHERE member = $1 AND (object = $2 OR object = $3)
