// Package tone knows sound as numbers: it reads uploaded WAV files and turns samples into G.711 and back.
//
// Everywhere in Sallyport a piece of audio is 16-bit linear samples of 8 kHz, little endian, one channel: what G.711 carries,
// so that playing it costs one table look-up a sample. What is uploaded in another form is brought to that once, by a low-pass
// filter and a change of rate. The package reads no packets and no SDP.
package tone
