// Package consult asks other systems where calls go: what the rule actions "http" and "enum" come to.
//
// # The idea
//
// A rule names an address, and the time there is for an answer (sbc.HTTPDecision). Ask puts the question by a signed POST and gives the
// answer as routing wants it, a route.Answer, to whoever waits: at once where an answer is known that still counts, else later from
// another goroutine. Calls that ask the same at the same time share one question. Nothing that takes long keeps another call waiting:
// each question has a goroutine of its own, at most Options.Most at a time; beyond that, and where the other system is late, wrong
// or gone, an older answer counts for as long as the rule says, and after that what the rule says for this case.
//
// A number is looked up in DNS likewise, within a second; what DNS says is kept by its resolver.
//
// # Limits
//
// Answers are kept in memory, at most Options.Kept; a restart forgets them. An answer is about a trunk, a caller and a callee: what
// else the question holds (variables, Call-ID, source) is not looked at when an answer is used again.
package consult
