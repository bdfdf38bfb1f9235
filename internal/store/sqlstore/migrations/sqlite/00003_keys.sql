-- +goose Up
ALTER TABLE signing_keys ADD COLUMN master TEXT NOT NULL DEFAULT ''; -- name of the master key that sealed it; empty: not known
CREATE UNIQUE INDEX signing_keys_next ON signing_keys (service, purpose) WHERE state = 'published';
CREATE INDEX grants_application ON grants (service, issued_at) WHERE kind = 'application';

-- Grants that were given out after a backup was made and lost by restoring it.
CREATE TABLE lost_grants (
    epoch    BIGINT PRIMARY KEY, -- that began with it
    first_id BIGINT NOT NULL,
    last_id  BIGINT NOT NULL
);
