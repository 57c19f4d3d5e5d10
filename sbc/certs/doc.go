// Package certs makes what certificates and authorities leave to us: keys, requests to have them signed (PKCS #10), roots, certificates
// of our own authorities. It is arithmetic on resources; when it is done, and where the result goes, is decided by api and app.
package certs
