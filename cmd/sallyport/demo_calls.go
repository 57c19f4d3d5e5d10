package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/sallyport/sallyport/integration/phone"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
)

// dial lets alice call a number through the border and tells its id there, once the border knows it.
func (d *theDemo) dial(number string) (*phone.Call, error) {
	return d.alice.Dial(number, netip.AddrPortFrom(westBorder, d.port))
}

// final checks a call's final answer.
func final(ctx context.Context, c *phone.Call, want int) error {
	code, err := c.Final(ctx)
	if err != nil {
		return err
	}
	if code != want {
		return fmt.Errorf("the call was answered with %d; %d was expected", code, want)
	}
	return nil
}

// goodCall is answered, both sides talk for two seconds, and the caller hangs up.
func (d *theDemo) goodCall(ctx context.Context) error {
	c, err := d.dial(numberGood)
	if err != nil {
		return err
	}
	begun := time.Now()
	if err := final(ctx, c, 200); err != nil {
		return err
	}
	setup := time.Since(begun)
	live, err := rest.Until(ctx, d.api, "/v1/calls?state=confirmed", func(p rest.Page[sbc.CallInfo]) bool { return len(p.Items) == 1 })
	if err != nil {
		return err
	}
	d.good = live.Items[0].ID
	streams, err := rest.Until(ctx, d.api, "/v1/calls/"+d.good+"/media", func(p rest.Page[sbc.StreamStats]) bool {
		return len(p.Items) == 2 && p.Items[0].Packets >= talkPackets && p.Items[1].Packets >= talkPackets
	})
	if err != nil {
		return err
	}
	heard := c.Heard()
	if heard.Tone != 1000 {
		return fmt.Errorf("alice hears %v Hz; bob sends 1000", heard.Tone)
	}
	if heard.From.Addr() != westBorder {
		return fmt.Errorf("alice's audio comes from %v and not from the border", heard.From)
	}
	fmt.Fprintf(d.out, "✓ good call     answered in %v, alice hears bob's tone of %.0f Hz from %v\n", setup.Round(time.Millisecond), heard.Tone, heard.From)
	for _, s := range streams.Items {
		if s.Lost != 0 || s.RelayedPackets == 0 {
			return fmt.Errorf("audio from the %s: %d packets, %d lost, %d relayed", s.Side, s.Packets, s.Lost, s.RelayedPackets)
		}
		fmt.Fprintf(d.out, "                audio from the %-6s %d packets, %d lost, jitter %.1f ms, %s, MOS %.1f\n", s.Side, s.Packets, s.Lost, s.JitterMS, s.Codec, s.MOS)
	}
	if err := c.Hangup(ctx); err != nil {
		return err
	}
	return d.ended(ctx, numberGood, sbc.EndCallerBye)
}

// busyCall is refused by bob.
func (d *theDemo) busyCall(ctx context.Context) error {
	c, err := d.dial(numberBusy)
	if err != nil {
		return err
	}
	if err := final(ctx, c, 486); err != nil {
		return err
	}
	fmt.Fprintln(d.out, "✓ busy call     bob's 486 came back")
	return d.ended(ctx, numberBusy, sbc.EndBusy)
}

// cancelledCall rings until alice gives up.
func (d *theDemo) cancelledCall(ctx context.Context) error {
	c, err := d.dial(numberSilent)
	if err != nil {
		return err
	}
	select {
	case <-c.Ringing():
	case <-ctx.Done():
		return errors.New("bob's telephone did not ring")
	}
	c.Cancel()
	if err := final(ctx, c, 487); err != nil {
		return err
	}
	fmt.Fprintln(d.out, "✓ cancelled     it rang, alice gave up, 487 came back")
	return d.ended(ctx, numberSilent, sbc.EndCallerCancel)
}

// failoverCall finds the first endpoint dead and the second alive.
func (d *theDemo) failoverCall(ctx context.Context) error {
	c, err := d.dial(numberFailover)
	if err != nil {
		return err
	}
	begun := time.Now()
	if err := final(ctx, c, 200); err != nil {
		return err
	}
	fmt.Fprintf(d.out, "✓ failover      %v was silent, the next endpoint answered after %v\n", eastDead, time.Since(begun).Round(time.Millisecond))
	if err := c.Hangup(ctx); err != nil {
		return err
	}
	return d.ended(ctx, numberFailover, sbc.EndCallerBye)
}

// ended waits until a call's record is in the store and says how it ended.
func (d *theDemo) ended(ctx context.Context, number string, want sbc.EndReason) error {
	page, err := rest.Until(ctx, d.api, "/v1/cdrs?callee="+number, func(p rest.Page[sbc.CDR]) bool { return len(p.Items) > 0 })
	if err != nil {
		return err
	}
	if len(page.Items) != 1 || page.Items[0].EndReason != want {
		return fmt.Errorf("the call to %s has %d records, the first with end reason %q; one with %q was expected",
			number, len(page.Items), page.Items[0].EndReason, want)
	}
	return nil
}
