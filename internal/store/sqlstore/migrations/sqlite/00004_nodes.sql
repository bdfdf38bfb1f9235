-- +goose Up
-- Which run moved the grant to its present generation: what it did not answer before it crashed is known by that.
ALTER TABLE grants ADD COLUMN rotated_by BIGINT;

-- The servers that run, or did a short while ago. A row is changed with every look at the feed.
CREATE TABLE nodes (
    run          BIGINT PRIMARY KEY,
    name         TEXT NOT NULL,   -- host and address it listens on: one server at a time has it
    version      TEXT NOT NULL,
    fingerprint  TEXT NOT NULL,   -- of the configuration that all servers of one database must share
    clock_offset BIGINT NOT NULL, -- its clock less the database's, in milliseconds
    feed_seq     BIGINT NOT NULL, -- number of the last entry it knows
    seen_at      BIGINT NOT NULL  -- by the database's clock
);
