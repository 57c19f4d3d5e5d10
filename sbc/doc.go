// Package sbc holds the words of a session border controller: realms, SIP interfaces, media pools, trunks, routing plans,
// calls and call detail records, with the rules that make each of them valid.
//
// It does no I/O and imports nothing else of this module. The packages around it decide (identify, route, header, admit),
// carry calls (edge, dialog, call), move media (../media), remember (../storage) and publish (../api); they all speak in the
// types declared here. JSON tags are the field names of openapi.yaml: one spelling from the REST client to the database.
//
// # One call
//
//	bytes ─► edge ─► identify ─► admit ─► route ─► call ──► header, dialog ─► edge ─► bytes
//	                                                 │
//	                                                 ├─► media (ports, SDP, relay)
//	                                                 └─► account (journal on disk ─► CDR in the store)
//
// A call takes the configuration snapshot once, when its INVITE arrives, and keeps it to its end.
package sbc
