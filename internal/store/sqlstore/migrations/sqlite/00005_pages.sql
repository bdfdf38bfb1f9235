-- +goose Up
ALTER TABLE grants ADD COLUMN last_addr TEXT NOT NULL DEFAULT ''; -- where it was last used from, as far as that is known
ALTER TABLE grants ADD COLUMN replaced_by BIGINT;                 -- the key or application token made in its place
CREATE INDEX grants_replaced ON grants (id) WHERE replaced_by IS NOT NULL AND revoked_at IS NULL;

-- Activity counts lines of some kinds over months; what is forgotten is found by time.
DROP INDEX audit_at;
CREATE INDEX audit_at ON audit (at, kind, service);
CREATE INDEX audit_from ON audit (at) WHERE addr <> '' OR agent <> '';

CREATE TABLE activity (
    hour    BIGINT NOT NULL, -- its beginning
    service TEXT NOT NULL,   -- empty for what is of none
    what    TEXT NOT NULL,   -- issued, refreshed, refused: what no audit line says
    count   BIGINT NOT NULL, -- at least this many
    PRIMARY KEY (hour, service, what)
);
