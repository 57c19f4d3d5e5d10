-- +goose Up

-- Subscribers and aliases are found by domain and name, and share one name space.
CREATE UNIQUE INDEX resources_directory ON resources (parent_id, name) WHERE kind IN ('subscriber', 'alias');

-- The revision of the last write to what every node holds: a rise of the other counter alone concerns subscribers only.
INSERT INTO counters (name, value) SELECT 'configured', value FROM counters WHERE name = 'revision';

-- The last revision whose writer knew of that counter: nodes of an older version do not.
INSERT INTO counters (name, value) SELECT 'noted', value FROM counters WHERE name = 'revision';

-- Subscribers and aliases that were deleted of late, so that nodes forget them.
CREATE TABLE listed_deletions (
    revision BIGINT NOT NULL,
    id       TEXT   NOT NULL,
    PRIMARY KEY (revision, id)
) WITHOUT ROWID;

-- What the nodes of an installation share and nobody else knows.
CREATE TABLE secrets (
    name  TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
);

-- +goose Down
DROP TABLE secrets;
DROP TABLE listed_deletions;
DELETE FROM counters WHERE name IN ('configured', 'noted');
DROP INDEX resources_directory;
