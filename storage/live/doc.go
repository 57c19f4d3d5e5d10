// Package live keeps soft state that must survive a process: a record of each call in progress, and of each registration, on the
// local disk.
//
// # The file
//
// A Journal is one append-only file, calls.log where nothing else is said, of lines: a checksum, an id, and the record, or "-" for
// one that is gone. The newest line of an id counts. When most of the file is of the past it is written anew beside itself and
// renamed, so that it stays in proportion to what is alive. A line cut short by a crash is passed over.
//
// # What is safe when
//
// Write returns when the lines are with the operating system: they survive the process, kill -9 included. Sync forces them to the
// disk (fdatasync); whoever writes decides how often. What was written since then can be lost with the power.
//
// # Limits
//
// A record has 256 KiB at most, all living ones together MaxBytes; what is beyond is refused, and the record kept before is
// forgotten, for an old one would be wrong. The folder belongs to one process at a time and its files to nobody else (0600).
package live
