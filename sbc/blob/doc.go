// Package blob keeps this node's copies of the blobs that the configuration names, such as the audio of announcements.
//
// A copy is a file named by the SHA-256 of what it holds, so it is never changed, only made and deleted, and whoever has it open
// reads on. What a change of the configuration brings is kept before the change is live (Keep); what other nodes brought is
// fetched from the store, before their revision is served if the store is quick enough (Load), else behind it (Want, Run). Once a
// copy is there, the store is not needed to read it, also after a restart.
//
// Content is read from the file when it is needed and lives in the page cache of the system, which is shared, bounded, and let go
// under pressure: 200 announcements of 2 minutes are 384 MB on disk and next to nothing in the process.
//
// Calls keep the Snapshot they began with. Copies that the configuration names no more are therefore deleted only when they are
// many: the newest of them stay.
package blob
