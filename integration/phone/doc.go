// Package phone is a small user agent with audio that can be checked: it places and answers calls over any transport, sends a tone as
// G.711 μ-law at 50 packets a second and tells which tone it hears, how many packets came and how many were lost.
//
// The demo and the integration tests use it as a peer of the border. It therefore shares nothing with the border's own edge:
// its transactions and its SDP are its own, as plain as RFC 3261 lets them be (no forking, no authentication).
// It keeps every byte it received, so that a test can look for what must not be there.
package phone
