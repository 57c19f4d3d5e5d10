// Package token knows what an API key looks like, how it is kept and what a scope covers. It does no I/O.
//
// A key is spk_<32 characters>_<8 hexadecimal digits>: 190 random bits, and a CRC-32 of what stands before it, so that a key cut
// off in copying is told from a wrong one without asking the store, and so that scanners of leaked secrets can recognise ours.
// Only the SHA-256 of a key is kept. It needs no salt and no slow hash: nobody guesses 190 bits.
package token
