// Package integration holds the tests of the whole product: the repository's own rules (who may import whom), and calls made by
// real peers (SIPp, baresip, and the phone of this folder) through a border that was provisioned by REST.
package integration
