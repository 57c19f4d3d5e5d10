-- +goose Up

-- Binary data that belongs to a resource and goes with it. The content stands last, so that reading what is said of it does not
-- read it.
CREATE TABLE blobs (
    owner_id     TEXT   NOT NULL REFERENCES resources (id) ON DELETE CASCADE,
    name         TEXT   NOT NULL,
    content_type TEXT   NOT NULL,
    size         BIGINT NOT NULL,
    sha256       TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    content      BLOB   NOT NULL,
    PRIMARY KEY (owner_id, name)
);

-- +goose Down
DROP TABLE blobs;
