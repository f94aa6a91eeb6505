-- The service's own objects. Ids are UUIDs as text; times are milliseconds since 1970, UTC.
-- *_folded: ASCII lower case, for lookups without regard to case. Statuses and enums are the
-- published names (product-spec 1.4, wire-contract 2.4).

CREATE TABLE organizations (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    created BIGINT NOT NULL
);

CREATE TABLE users (
    id TEXT PRIMARY KEY,
    organization TEXT NOT NULL REFERENCES organizations(id),
    kind TEXT NOT NULL,                -- Interactive | CI
    name TEXT NOT NULL,
    name_folded TEXT NOT NULL,
    email TEXT,                        -- Interactive only: sign-in name
    email_folded TEXT,
    role TEXT NOT NULL,                -- product-spec 2.1
    status TEXT NOT NULL,              -- Invited | Active | Inactive
    password TEXT,                     -- Argon2id encoded hash, NULL: none set
    created BIGINT NOT NULL
);
CREATE UNIQUE INDEX users_email ON users(organization, email_folded);
CREATE INDEX users_name ON users(organization, name_folded);

CREATE TABLE tokens (
    hash BYTES PRIMARY KEY,             -- SHA-256 of the token; the token itself is nowhere
    id TEXT NOT NULL UNIQUE,
    organization TEXT NOT NULL REFERENCES organizations(id),
    owner TEXT NOT NULL REFERENCES users(id),
    name TEXT NOT NULL,
    created BIGINT NOT NULL,
    expires BIGINT,                    -- NULL: never
    last_used BIGINT,
    revoked BIGINT                     -- NULL: valid
);
CREATE INDEX tokens_owner ON tokens(owner);

CREATE TABLE sessions (
    hash BYTES PRIMARY KEY,             -- SHA-256 of the cookie value
    organization TEXT NOT NULL REFERENCES organizations(id),
    owner TEXT NOT NULL REFERENCES users(id),
    csrf TEXT NOT NULL,                -- form token of this session
    created BIGINT NOT NULL,
    last_seen BIGINT NOT NULL
);
CREATE INDEX sessions_owner ON sessions(owner);

CREATE TABLE setup_codes (
    hash BYTES PRIMARY KEY,             -- SHA-256 of the one-time code
    owner TEXT NOT NULL REFERENCES users(id),
    expires BIGINT NOT NULL
);

CREATE TABLE certificates (
    id TEXT PRIMARY KEY,
    organization TEXT NOT NULL REFERENCES organizations(id),
    slug TEXT NOT NULL,
    slug_folded TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    purpose TEXT NOT NULL,             -- Test | Release
    type TEXT NOT NULL,                -- X509
    creation_method TEXT NOT NULL,     -- SelfSigned
    key_store TEXT NOT NULL,           -- software
    key_type TEXT NOT NULL,            -- rsa-3072 ...
    key_id TEXT NOT NULL UNIQUE,       -- name in the key process
    status TEXT NOT NULL,              -- Active | Inactive | KeyDeleted (Expired follows from not_after)
    subject TEXT NOT NULL,
    der BYTES,                          -- the signer's certificate; NULL until there is one
    chain BYTES,                        -- CERTIFICATE records of ipc/messages.h, the signer's first
    sha256 BYTES,                       -- of der
    not_before BIGINT,
    not_after BIGINT,
    version BIGINT NOT NULL,
    created BIGINT NOT NULL
);
CREATE UNIQUE INDEX certificates_slug ON certificates(organization, slug_folded);

CREATE TABLE projects (
    id TEXT PRIMARY KEY,
    organization TEXT NOT NULL REFERENCES organizations(id),
    slug TEXT NOT NULL,
    slug_folded TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    status TEXT NOT NULL,              -- Valid | Inactive
    repository_urls TEXT NOT NULL,     -- one a line
    default_configuration TEXT,        -- artifact_configurations(id)
    version BIGINT NOT NULL,
    created BIGINT NOT NULL
);
CREATE UNIQUE INDEX projects_slug ON projects(organization, slug_folded);

CREATE TABLE artifact_configurations (
    id TEXT PRIMARY KEY,
    project TEXT NOT NULL REFERENCES projects(id),
    slug TEXT NOT NULL,
    slug_folded TEXT NOT NULL,
    name TEXT NOT NULL,
    status TEXT NOT NULL,              -- Valid | Inactive
    version BIGINT NOT NULL,           -- the current one of configuration_versions
    created BIGINT NOT NULL
);
CREATE UNIQUE INDEX artifact_configurations_slug ON artifact_configurations(project, slug_folded);

CREATE TABLE configuration_versions (
    configuration TEXT NOT NULL REFERENCES artifact_configurations(id),
    version BIGINT NOT NULL,
    xml BYTES NOT NULL,
    sha256 BYTES NOT NULL,
    author TEXT NOT NULL,
    created BIGINT NOT NULL,
    PRIMARY KEY (configuration, version)
);

CREATE TABLE signing_policies (
    id TEXT PRIMARY KEY,
    project TEXT NOT NULL REFERENCES projects(id),
    slug TEXT NOT NULL,
    slug_folded TEXT NOT NULL,
    name TEXT NOT NULL,
    purpose TEXT NOT NULL,             -- Test | Release
    status TEXT NOT NULL,              -- Valid | Inactive
    certificate TEXT NOT NULL REFERENCES certificates(id),
    timestamp_mode TEXT NOT NULL,      -- required | ifConfigured | none
    scan_mode TEXT NOT NULL,           -- required | ifConfigured | off
    allow_hash_signing BIGINT NOT NULL,
    version BIGINT NOT NULL,
    created BIGINT NOT NULL
);
CREATE UNIQUE INDEX signing_policies_slug ON signing_policies(project, slug_folded);

-- Who is on which list: readers and configurators of a project, submitters of a policy.
CREATE TABLE principals (
    object TEXT NOT NULL,              -- projects(id) or signing_policies(id)
    list TEXT NOT NULL,                -- reader | configurator | submitter | approver
    member TEXT NOT NULL REFERENCES users(id),
    PRIMARY KEY (object, list, member)
);
CREATE INDEX principals_member ON principals(member);

CREATE TABLE requests (
    id TEXT PRIMARY KEY,
    organization TEXT NOT NULL REFERENCES organizations(id),
    number BIGINT NOT NULL UNIQUE,     -- order of submission, for cursors
    project TEXT NOT NULL REFERENCES projects(id),
    policy TEXT NOT NULL REFERENCES signing_policies(id),
    configuration TEXT NOT NULL REFERENCES artifact_configurations(id),
    configuration_version BIGINT NOT NULL,
    policy_version BIGINT NOT NULL,
    project_slug TEXT NOT NULL,        -- names as they were at submission
    project_name TEXT NOT NULL,
    policy_slug TEXT NOT NULL,
    policy_name TEXT NOT NULL,
    configuration_slug TEXT NOT NULL,
    configuration_name TEXT NOT NULL,
    submitter TEXT NOT NULL REFERENCES users(id),
    submitter_name TEXT NOT NULL,
    token_name TEXT NOT NULL,          -- empty: by session
    address TEXT NOT NULL,
    user_agent TEXT NOT NULL,
    description TEXT NOT NULL,
    parameters BYTES NOT NULL,          -- PAIR records, resolved
    original TEXT,                     -- request that this one resubmits
    file_name TEXT NOT NULL,
    artifact BYTES NOT NULL,            -- SHA-256
    artifact_size BIGINT NOT NULL,
    artifact_deleted BIGINT NOT NULL,  -- 1: retention has removed the bytes
    status TEXT NOT NULL,              -- wire-contract 2.4
    workflow_status TEXT NOT NULL,
    cancel_at BIGINT,                  -- boot-independent deadline, NULL: none
    cancel_wanted BIGINT NOT NULL,     -- 1: a running job must end
    reason TEXT NOT NULL,              -- of cancellation or denial
    plan BYTES,                         -- SHA-256 of the plan blob
    plan_items BIGINT,
    slots BIGINT,
    subject BYTES,                      -- S of the running or last attempt
    attempt BIGINT NOT NULL,           -- sign attempts begun
    attempts_failed BIGINT NOT NULL,   -- failures of the system's own, retried
    output BYTES,                       -- SHA-256 of the signed artifact
    output_size BIGINT,
    receipt BYTES,                      -- JSON
    scan TEXT NOT NULL,                -- verdict text: "skipped: none configured" ...
    error_code TEXT NOT NULL,          -- empty: none
    error_user TEXT NOT NULL,
    error_detail TEXT NOT NULL,
    error_path TEXT NOT NULL,
    error_line BIGINT NOT NULL,
    error_column BIGINT NOT NULL,
    created BIGINT NOT NULL,
    finished BIGINT
);
CREATE INDEX requests_listing ON requests(organization, number);
CREATE INDEX requests_project ON requests(project, number);
CREATE INDEX requests_open ON requests(status);
CREATE INDEX requests_artifact ON requests(artifact);

-- What happened to a request, in order, for its page.
CREATE TABLE request_steps (
    request TEXT NOT NULL REFERENCES requests(id),
    ordinal BIGINT NOT NULL,
    name TEXT NOT NULL,                -- workflow status that was entered
    started BIGINT NOT NULL,
    note TEXT NOT NULL,
    PRIMARY KEY (request, ordinal)
);

CREATE TABLE idempotency (
    owner TEXT NOT NULL REFERENCES users(id),
    key TEXT NOT NULL,
    content BYTES NOT NULL,             -- SHA-256 over everything submitted
    request TEXT NOT NULL REFERENCES requests(id),
    created BIGINT NOT NULL,
    PRIMARY KEY (owner, key)
);

CREATE TABLE grants (
    id BYTES PRIMARY KEY,               -- 16 random bytes
    request TEXT NOT NULL,             -- requests(id), or a certificate's for kind certify
    kind BIGINT NOT NULL,              -- enum grant_kind
    attempt BIGINT NOT NULL,
    encoding BYTES NOT NULL,            -- GRANT record
    intent BIGINT NOT NULL,            -- index of its INTENT leaf
    seed BYTES NOT NULL,                -- for the worker: nonces and ids
    time BIGINT NOT NULL,              -- for the worker: seconds
    state TEXT NOT NULL,               -- open | closed | broken
    uses BYTES,                         -- USE records that the key process reported at CLOSE
    created BIGINT NOT NULL
);
CREATE INDEX grants_request ON grants(request, attempt);

-- Events for people and machines; delivery comes with mail and webhooks.
CREATE TABLE outbox (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    object TEXT NOT NULL,
    created BIGINT NOT NULL,
    delivered BIGINT
);
