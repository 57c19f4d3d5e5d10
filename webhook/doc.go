// Package webhook asks and tells other systems by HTTP POST of JSON, signed as Standard Webhooks 1.0 says
// (standardwebhooks.com). It knows nothing of what is posted.
//
// Whoever may configure a URL must not reach by it what only this machine may reach. So the address is judged when the
// connection is made, after the name was resolved: loopback, link-local, unspecified and multicast addresses, metadata services
// and all addresses of this machine are refused, also when they are written as IPv4 in IPv6. Redirects are not followed,
// proxies of the environment not used, and no more than 64 KiB of an answer is read.
//
// A system that does not answer must not make everybody wait: for each host there are so many requests at once, and after
// several failures in a row it is left alone for a while, in which every request to it fails at once.
package webhook
