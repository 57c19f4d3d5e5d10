-- +goose Up

-- Imports under way and those that are over, and what was wrong with their rows. Times are microseconds since 1970; written_at is the
-- last sign of life of the node that works on it.
CREATE TABLE jobs (
    id         text COLLATE "C" NOT NULL PRIMARY KEY,
    tenant_id  text    NOT NULL,
    state      text    NOT NULL,
    ended      boolean NOT NULL,
    node       text    NOT NULL,
    cancelled  boolean NOT NULL DEFAULT FALSE,
    created_at BIGINT  NOT NULL,
    written_at BIGINT  NOT NULL,
    document   jsonb    NOT NULL
);
CREATE INDEX jobs_tenant ON jobs (tenant_id, id);
CREATE INDEX jobs_created_at ON jobs (created_at);

CREATE TABLE job_errors (
    job_id   text COLLATE "C" NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    number   integer NOT NULL,
    document jsonb    NOT NULL,
    PRIMARY KEY (job_id, number)
);

-- +goose Down
DROP TABLE job_errors;
DROP TABLE jobs;
