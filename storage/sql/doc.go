// Package sql keeps the configuration and call detail records in SQLite or PostgreSQL, through one code on gorm.
//
// # Configuration
//
// Resources of every kind share one table: the document as the API spells it, beside columns for what is searched for or must
// be unique. A new kind, or a new field of a kind, needs no new column; a document written before a field existed is read with
// the field's default. References are rows of their own, with foreign keys, so that nothing can point to nothing.
//
// Writers follow one another: SQLite has one connection for writing whose transactions begin IMMEDIATE, PostgreSQL locks the
// row of the revision counter. What Put checks before it writes therefore still holds when it commits; the constraints of the
// schema are the net below.
//
// # Call detail records
//
// The sequence of a record is taken from a counter whose row stays locked until the commit. Hence sequences become visible in
// rising order and without gaps, also with several nodes on one PostgreSQL: a reader that keeps only the last sequence it saw
// loses nothing and counts nothing twice.
//
// # Blobs
//
// Binary data has a table of its own: each row belongs to a resource, by a foreign key that deletes it with its owner. Content is
// read and written whole and therefore bounded (sbc.MaxBlobBytes); lists do not read it.
//
// # Limits
//
// Times are kept in microseconds. Text columns of records hold at most 255 characters (a filter on a longer value compares its
// first 255); the documents hold everything, but NUL characters, which PostgreSQL cannot hold, are replaced by U+FFFD.
package sql
