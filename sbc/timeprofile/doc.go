// Package timeprofile says when: it compiles time profiles (windows that come back as RFC 5545 3.3.10 says, time recurrences as OpenSIPS
// writes them, holidays) and tells whether a moment is within one.
//
// Everything is reckoned on the clock on the wall of the profile's zone: a window from 09:00 to 17:00 is that on every day. Of an hour that
// comes twice, when clocks are set back, both are within a window that holds it; of an hour that is left out nothing can be.
package timeprofile
