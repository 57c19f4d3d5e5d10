// Package msg is the SIP message of the border: one type for requests and responses, for what came in and what goes out.
//
// # Idea
//
// Parse is tolerant and lossless: it takes what real devices send (any spelling and spacing RFC 3261 allows, compact names,
// folded lines, parameters in any case, unquoted display names) and keeps every header in order, its name as written. The
// serialiser is strict: Content-Length is always right, and no name or value it writes can hold CR, LF or NUL, wherever
// the text came from. What two readers could understand differently is refused instead of repaired: bare CR or LF, NUL
// outside a quoted pair, doubled headers that must be single, a Content-Length that is not the body's.
//
// sipgo gives the small types (Uri, HeaderParams, RequestMethod); its parser is not used, because it loses real input.
//
// # Memory
//
// Parse takes its bytes over: the strings of a Message are windows into them. Who keeps one string of a message for
// the length of a call keeps the whole message; strings.Clone it.
//
// # Limits
//
// At most MaxHeaders headers and MaxParams parameters in a list; a message beyond gets 513 or 400. Bodies are not looked into.
// Which methods, extensions and bodies are served (405, 420, 415) is decided by who handles the message, not here.
//
// The same package holds the types through which the transaction layer (edge) and the call layer meet without knowing
// each other: see wire.go.
package msg
