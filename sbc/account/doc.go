// Package account keeps call detail records safe on the local disk between a call and the store.
//
// # The journal
//
// A Journal is a folder of append-only segments. A call that is answered writes its record so far; a call that ends writes its
// final record; both are with the operating system before Answered and End return, and are forced to the disk together every
// 200 ms. Run brings final records to the store in batches, remembers how far it came, and segments that hold nothing of use any
// more are removed. Each line is JSON of its own with a checksum, so that a journal can be read with any tool:
//
//	{"crc":"a1b2c3d4","type":"end","at":1700000000000000,"cdr":{…}}
//
// # After a crash
//
// Open reads what is there. A line cut short by the crash is passed over. A call that was answered and never ended, and that does not
// go on in this process (Options.Spare, Settle), gets its one record now: Recovered, EndReason node_failure, ended at the last sign of
// life of the dead process (a heartbeat, once a second, or its last line). Records that the store may or may not have got are sent again: it leaves alone what it knows by its ID, so
// that every answered call has exactly one record. After the machine itself went down, all that the journal still holds is sent
// again (the last minute at least), since the store may have lost with the power what it had confirmed.
//
// # Limits
//
// When the disk takes nothing more, up to 10,000 records wait in memory, are written as soon as there is room, and go to the
// store meanwhile; Answered and End then return ErrNotDurable. Beyond that records are lost: counted one by one, returned as
// ErrLost.
// A record that the store can never hold is put into rejected.ndjson beside the segments. What happened in the last 200 ms can be
// lost if the machine (not the process) goes down.
package account
