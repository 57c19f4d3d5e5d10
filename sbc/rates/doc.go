// Package rates knows what calls cost: the tables of rate decks, which rate holds for a number at a moment, and what it makes of a
// duration.
//
// # The idea
//
// A deck is uploaded as CSV and kept as a blob (gzip of the same CSV, in order), which every node has a copy of. From it a Table is made:
// columns of numbers, 28 octets for a rate, sorted by prefix; a rate is found by one binary search and a short way up to shorter
// prefixes. Tables never change; a new upload is another one, found by the hash of its blob, so that a call that holds an old
// configuration, and the change that is not committed yet, disturb nobody.
//
// Money is counted in billionths of the currency's unit, in integers: sums are exact (sbc.Charge).
//
// # Limits
//
// A Table has at most MaxRates rates of at most 15 digits. Two currencies are never compared or converted.
package rates
