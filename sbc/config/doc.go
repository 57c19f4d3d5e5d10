// Package config turns the provisioned resources into what calls run on: one immutable Snapshot with every table compiled, and
// the Manager that replaces it.
//
// # The idea
//
// A write happens in two phases, inside the store's transaction: the change is made, all resources are compiled and checked
// against each other, and everybody who owns something that lives (listeners, media pools) is asked to Prepare. Only if all of
// that succeeded does the store commit; then the parties commit and one pointer is swapped. Any fault before rolls everything
// back, and the old Snapshot goes on. So a write that has been answered is live, and a write that was refused left nothing
// behind. A dry run is the same with the roll back at the end.
//
// A call takes the Snapshot once and keeps it to its end.
//
// What resources have that is large, such as the audio of announcements, is not in the Snapshot but named by it: a node makes its
// copy before the Snapshot is live (Options.Blobs).
//
// Other nodes write to the same store: the Manager polls its revision and goes the same way with what it finds. The last
// Snapshot is kept in a file, so that a node starts without its store.
//
// # Limits
//
// A rule of a routing plan is not kept in Rows but only compiled (there may be a million), and a write to rules alone costs
// what it changes. Any other write compiles the small kinds anew.
package config
