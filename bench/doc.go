// Command bench measures the border beside its peers on one machine: processor time per call, added setup delay, memory per
// held call and processor time per relayed packet. README.md says how to run it and quotes what it printed.
//
// The load comes from SIPp and from this program; the figures come from /proc. Nothing leaves the loopback interface.
package main
