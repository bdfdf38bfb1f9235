-- Times are milliseconds since 1970 UTC, NULL where there is none. Flags are 0 or 1. Rows that tell
-- what was once given out (accounts, identities, subjects) are never deleted: their names are not reused.

-- +goose Up
CREATE TABLE meta (
    key   TEXT PRIMARY KEY, -- installation: random id; epoch: number of this history; high_water: highest time seen
    value TEXT NOT NULL
);
INSERT INTO meta (key, value) VALUES ('epoch', '1');

CREATE TABLE accounts (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    name          TEXT NOT NULL,        -- sign-in name as first written
    name_key      TEXT NOT NULL UNIQUE, -- the same in lower case; kept when the account is deleted
    type          TEXT NOT NULL,        -- person, application
    status        TEXT NOT NULL,        -- active, disabled, deleted
    display       TEXT NOT NULL,        -- "First Last", or empty
    email         TEXT NOT NULL,        -- or empty; never used to find an account
    password_hash TEXT NOT NULL,        -- PHC string, or empty
    created_at    BIGINT NOT NULL,
    updated_at    BIGINT NOT NULL
);

CREATE TABLE identities (
    provider   TEXT NOT NULL,   -- password, ldap, orcid, …
    subject    TEXT NOT NULL,   -- the provider's name for the person
    account_id BIGINT NOT NULL, -- kept when the account is deleted or the link removed
    name       TEXT NOT NULL,   -- as the provider first gave it, or empty
    email      TEXT NOT NULL,   -- as the provider gave it, or empty
    linked_at  BIGINT NOT NULL,
    PRIMARY KEY (provider, subject)
);
CREATE INDEX identities_account ON identities (account_id);

CREATE TABLE subjects (
    service    TEXT NOT NULL,
    subject    TEXT NOT NULL,   -- the service's own id for the account
    account_id BIGINT NOT NULL, -- kept when the account is deleted
    created_at BIGINT NOT NULL,
    PRIMARY KEY (service, subject),
    UNIQUE (service, account_id)
);
CREATE INDEX subjects_account ON subjects (account_id);

CREATE TABLE subject_heads (
    service TEXT PRIMARY KEY,
    last    BIGINT NOT NULL -- the highest number ever used as a subject there
);

CREATE TABLE account_groups (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT NOT NULL,
    name_key   TEXT NOT NULL UNIQUE, -- the same in lower case
    uid        TEXT NOT NULL UNIQUE, -- 32 random hex digits
    owner_id   BIGINT NOT NULL,      -- account, 0 for none
    created_at BIGINT NOT NULL
);
CREATE INDEX account_groups_owner ON account_groups (owner_id);

CREATE TABLE members (
    group_id   BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    since      BIGINT NOT NULL,
    PRIMARY KEY (group_id, account_id)
);
CREATE INDEX members_account ON members (account_id);

CREATE TABLE attrs (
    account_id BIGINT NOT NULL,
    key        TEXT NOT NULL, -- service.key
    value      TEXT NOT NULL,
    PRIMARY KEY (account_id, key)
);

-- No index holds a column that a rotation changes.
CREATE TABLE grants (
    id             INTEGER PRIMARY KEY AUTOINCREMENT, -- in every token; a place in the bit list
    nonce          BIGINT NOT NULL,   -- 64 random bits, in every refresh token
    account_id     BIGINT NOT NULL,   -- 0 for a service key
    service        TEXT NOT NULL,     -- empty for an API key
    kind           TEXT NOT NULL,     -- session, pair, apikey, application, servicekey
    label          TEXT NOT NULL,
    scope          TEXT NOT NULL,
    subject        TEXT NOT NULL,     -- the service's id for the account, or empty
    parent_id      BIGINT,            -- the API key it was made with
    group_id       BIGINT,            -- the group an API key acts for
    generation     BIGINT NOT NULL,   -- rotations so far
    issued_at      BIGINT NOT NULL,
    rotated_at     BIGINT,
    not_before     BIGINT,
    expires_at     BIGINT,            -- end of the refresh token or key
    cap            BIGINT,            -- absolute end: no rotation goes past it
    dead_at        BIGINT,            -- last instant anything minted from it can be valid; NULL: not known
    revoked_at     BIGINT,
    revoked_reason TEXT NOT NULL,
    stale_at       BIGINT,            -- since when its account differs from what was minted
    answer_lost    INTEGER NOT NULL,  -- flag: the answer with this generation did not arrive
    retry_key      BLOB,              -- SHA-256 of the last rotation's Idempotency-Key
    secret_hash    BLOB,              -- SHA-256 of a machine secret
    preview        TEXT NOT NULL,     -- first characters of a machine secret
    last_used_at   BIGINT,            -- at least this recent
    use_count      BIGINT NOT NULL,   -- at least this many
    addr           TEXT NOT NULL,     -- where it was made from
    agent          TEXT NOT NULL
);
CREATE INDEX grants_account ON grants (account_id, service);
CREATE UNIQUE INDEX grants_secret ON grants (secret_hash) WHERE secret_hash IS NOT NULL;
CREATE INDEX grants_revoked ON grants (id, revoked_at) WHERE revoked_at IS NOT NULL;
CREATE INDEX grants_stale ON grants (id, stale_at) WHERE stale_at IS NOT NULL;
CREATE INDEX grants_parent ON grants (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX grants_group ON grants (group_id) WHERE group_id IS NOT NULL;

CREATE TABLE feed_head (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    seq BIGINT NOT NULL -- number of the last entry; the last row any transaction locks
);
INSERT INTO feed_head (one, seq) VALUES (1, 0);

CREATE TABLE feed (
    seq      BIGINT PRIMARY KEY,
    at       BIGINT NOT NULL,
    kind     TEXT NOT NULL,   -- grant, stale, cutoff, not_before
    grant_id BIGINT NOT NULL, -- or 0
    service  TEXT NOT NULL,
    name     TEXT NOT NULL,   -- cutoff: the person's name in the service's tokens
    until    BIGINT           -- cutoff: when it is no longer needed
);

CREATE TABLE cutoffs (
    service TEXT NOT NULL,
    name    TEXT NOT NULL,
    at      BIGINT NOT NULL, -- tokens minted up to then are refused
    until   BIGINT NOT NULL, -- no such token can be valid after
    PRIMARY KEY (service, name)
);
CREATE INDEX cutoffs_until ON cutoffs (until);

CREATE TABLE not_before (
    service TEXT PRIMARY KEY, -- empty for all
    at      BIGINT NOT NULL   -- tokens issued before are refused
);

CREATE TABLE audit (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    at         BIGINT NOT NULL,
    kind       TEXT NOT NULL,
    actor      TEXT NOT NULL,   -- operator, account, key, token, server
    account_id BIGINT NOT NULL, -- or 0
    grant_id   BIGINT NOT NULL, -- or 0
    service    TEXT NOT NULL,
    addr       TEXT NOT NULL,
    agent      TEXT NOT NULL,
    detail     TEXT NOT NULL
);
CREATE INDEX audit_at ON audit (at);
CREATE INDEX audit_account ON audit (account_id, at);
CREATE INDEX audit_grant ON audit (grant_id, at);

CREATE TABLE signing_keys (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    service      TEXT NOT NULL,    -- empty for the installation's own
    purpose      TEXT NOT NULL,    -- access, refresh, legacy, mac
    alg          TEXT NOT NULL,
    kid          TEXT NOT NULL,
    state        TEXT NOT NULL,    -- published, signing, verifying, gone
    pinned       INTEGER NOT NULL, -- flag: given by the configuration, also held outside
    created_at   BIGINT NOT NULL,
    sign_from    BIGINT,
    sign_until   BIGINT,
    verify_until BIGINT,
    sealed       BLOB NOT NULL,    -- private key under the master key
    public       BLOB              -- PKIX DER, NULL for secrets
);
CREATE UNIQUE INDEX signing_keys_active ON signing_keys (service, purpose) WHERE state = 'signing';

CREATE TABLE attempts (
    key      TEXT PRIMARY KEY, -- hash of account name and source
    failures BIGINT NOT NULL,  -- since first_at
    first_at BIGINT NOT NULL,
    last_at  BIGINT NOT NULL
);
CREATE INDEX attempts_last ON attempts (last_at);

CREATE TABLE runs (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    started_at BIGINT NOT NULL,
    alive_at   BIGINT NOT NULL, -- last sign of life
    ended_at   BIGINT,          -- in good order
    crashed_at BIGINT           -- when a later start found it unfinished
);
