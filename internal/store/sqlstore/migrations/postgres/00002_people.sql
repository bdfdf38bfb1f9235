-- +goose Up
ALTER TABLE identities ADD COLUMN unlinked_at BIGINT; -- since when it signs nobody in; it stays its account's

ALTER TABLE accounts ADD COLUMN joined_into BIGINT; -- of a deleted account: the one that has all it had
CREATE INDEX accounts_joined ON accounts (joined_into) WHERE joined_into IS NOT NULL;

-- An account has one id of its own in a service, and may have those of accounts that were joined into it.
CREATE TABLE own_subjects (
    service    TEXT COLLATE "C" NOT NULL,
    subject    TEXT COLLATE "C" NOT NULL,    -- the service's own id for the account
    account_id BIGINT NOT NULL,  -- kept when the account is deleted
    created_at BIGINT NOT NULL,
    joined     INTEGER NOT NULL, -- flag: it leads here and is given out no more
    PRIMARY KEY (service, subject)
);
INSERT INTO own_subjects SELECT service, subject, account_id, created_at, 0 FROM subjects;
DROP TABLE subjects;
ALTER TABLE own_subjects RENAME TO subjects;
CREATE UNIQUE INDEX subjects_own ON subjects (service, account_id) WHERE joined = 0;
CREATE INDEX subjects_account ON subjects (account_id);

CREATE TABLE resets (
    account_id  BIGINT PRIMARY KEY,
    secret_hash BYTEA NOT NULL UNIQUE, -- SHA-256 of the one-time secret in the link
    made_at     BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL
);

-- To find an account by whatever somebody types.
CREATE INDEX accounts_email ON accounts (LOWER(email)) WHERE email <> '';
CREATE INDEX identities_subject ON identities (subject);
CREATE INDEX subjects_subject ON subjects (subject);
