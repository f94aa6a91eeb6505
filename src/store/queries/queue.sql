-- name: job_add
INSERT INTO jobs (id, lane, kind, subject, project, state, not_before, attempts, node, boot, token, queued_at)
VALUES ($1, $2, $3, $4, $5, 'ready', $6, 0, '', '', 0, $7)
ON CONFLICT (kind, subject) DO NOTHING

-- name: job_turn_add
INSERT INTO job_turns (lane, project, turn) VALUES ($1, $2, 0)
ON CONFLICT (lane, project) DO NOTHING

-- name: job_turn_next
SELECT t.project AS project FROM job_turns t
WHERE t.lane = $1 AND EXISTS (
    SELECT 1 FROM jobs j
    WHERE j.lane = $1 AND j.project = t.project AND j.state = 'ready' AND j.not_before <= $2)
ORDER BY t.turn, t.project LIMIT 1

-- name: job_turn_take
UPDATE job_turns SET turn = (SELECT max(turn) + 1 FROM job_turns WHERE lane = $1)
WHERE lane = $1 AND project = $2

-- name: job_claim
UPDATE jobs SET state = 'claimed', node = $4, boot = $5, token = token + 1, attempts = attempts + 1
WHERE id = (
    SELECT id FROM jobs
    WHERE lane = $1 AND project = $2 AND state = 'ready' AND not_before <= $3
    ORDER BY queued_at, id LIMIT 1)
RETURNING id, lane, kind, subject, project, attempts, token

-- name: job_claim_of
UPDATE jobs SET state = 'claimed', node = $4, boot = $5, token = token + 1, attempts = attempts + 1
WHERE id = (SELECT id FROM jobs WHERE lane = $1 AND subject = $2 AND state = 'ready' AND not_before <= $3 LIMIT 1)
RETURNING id, lane, kind, subject, project, attempts, token

-- name: job_held
SELECT id, lane, kind, subject, project, attempts, token FROM jobs
WHERE lane = $1 AND state = 'claimed' AND node = $2 AND boot = $3
ORDER BY id LIMIT 1

-- name: job_check
SELECT 1 AS held FROM jobs WHERE id = $1 AND token = $2 AND state = 'claimed'

-- name: job_complete
DELETE FROM jobs WHERE id = $1 AND token = $2 AND state = 'claimed'

-- name: job_retry
UPDATE jobs SET state = 'ready', node = '', boot = '', not_before = $3
WHERE id = $1 AND token = $2 AND state = 'claimed'

-- name: job_reclaim
UPDATE jobs SET state = 'ready', node = '', boot = '', token = token + 1
WHERE state = 'claimed' AND node = $1 AND boot <> $2

-- name: job_next_due
SELECT min(not_before) AS due FROM jobs WHERE lane = $1 AND state = 'ready'

-- name: job_count
SELECT state, count(*) AS count, min(queued_at) AS oldest FROM jobs WHERE lane = $1 GROUP BY state

-- name: effect_put
INSERT INTO effects (grant_id, slot, kind, attempt, request, answer, stored_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (grant_id, slot, kind, attempt) DO NOTHING

-- name: effect_get
SELECT request, answer FROM effects
WHERE grant_id = $1 AND slot = $2 AND kind = $3 AND attempt = $4

-- name: effects_next
SELECT slot, kind, attempt, request, answer FROM effects
WHERE grant_id = $1 AND (slot, kind, attempt) > ($2, $3, $4) ORDER BY slot, kind, attempt LIMIT 200

-- name: effects_drop
DELETE FROM effects WHERE grant_id = $1
