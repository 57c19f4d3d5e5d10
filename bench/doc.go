// Command bench measures the border beside its peer on one machine: processor time per call, added setup delay, memory per held
// call, processor time per relayed packet, in the clear and encrypted, and the message parser. README.md says how to run it, what
// each figure means, and quotes what it printed.
//
// The load comes from SIPp and from this program, the figures from /proc. Every packet stays on the loopback interface, in
// 127.0.71.0/24, where tests and other programs on the machine are not in the way. Only Linux has what it reads.
//
// What makes a figure worth quoting, and what this program therefore does:
//   - both servers get the same load, from the same SIPp scenarios, alternating within a run;
//   - a phase in which more than one call in a thousand failed gives an error, not a figure;
//   - each line says how much of the machine other programs used meanwhile: above ten per cent, measure again;
//   - the warm-up lasts longer than the transaction timers, so that the cost of forgetting transactions is in the figure.
package main
