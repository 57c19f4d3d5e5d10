-- +goose Up

-- Binary data that belongs to a resource and goes with it. It is mostly sound, which the server need not try to compress.
CREATE TABLE blobs (
    owner_id     TEXT   COLLATE "C" NOT NULL REFERENCES resources (id) ON DELETE CASCADE,
    name         TEXT   COLLATE "C" NOT NULL,
    content_type TEXT   NOT NULL,
    size         BIGINT NOT NULL,
    sha256       TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    content      BYTEA  NOT NULL,
    PRIMARY KEY (owner_id, name)
);
ALTER TABLE blobs ALTER COLUMN content SET STORAGE EXTERNAL;

-- +goose Down
DROP TABLE blobs;
