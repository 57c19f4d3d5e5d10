// Package directory finds subscribers for calls and registrations without anyone waiting for the store: a bounded cache in front of an
// sbc.Directory.
//
// # The idea
//
// An edge or call goroutine serves many, so it must never wait for a database. It looks in memory (Peek), or leaves behind what is to be
// done with the answer (Ask): that is called at once if the answer is in memory, else by another goroutine, in bounded time whatever the
// store does. Who asks for the same name at the same time shares one question to the store.
//
// That there is nobody of a name is remembered too, in a part of its own: a scanner that tries a million names pushes out its own
// failures and no subscriber.
//
// Run reads subscribers ahead, many at a time, as long as there is room: when a network comes back and all its phones register at once,
// the store is not asked at all. Whoever was asked for stays, rather than who was only read.
//
// An entry is forgotten when it is written (Changed): by this node at once, by others when the configuration's poll sees it. An answer
// that was on its way then is handed on but not kept. Where the store cannot be asked, an entry that was good before stays good.
package directory
