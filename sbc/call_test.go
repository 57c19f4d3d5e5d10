package sbc

import "testing"

// TestStatesInNumbers: what OpenSIPS calls the states (features 1.7).
func TestStatesInNumbers(t *testing.T) {
	for state, want := range map[CallState]int{
		CallSetup: 1, CallEarly: 2, CallAnswered: 3, CallConfirmed: 4, CallTerminating: 5, CallEnded: 5,
	} {
		if got := state.OpenSIPS(); got != want {
			t.Errorf("%s is %d, want %d", state, got, want)
		}
	}
}
