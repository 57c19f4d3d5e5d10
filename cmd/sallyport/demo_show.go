package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
)

// showLadder draws both legs of the good call, and shows its INVITE as it came in and as it went out.
func (d *theDemo) showLadder(ctx context.Context) error {
	var page rest.Page[sbc.TraceMessage]
	if err := d.api.Get(ctx, "/v1/calls/"+d.good+"/messages", &page); err != nil {
		return err
	}
	if len(page.Items) == 0 {
		return fmt.Errorf("the ladder of call %s is empty", d.good)
	}
	fmt.Fprintf(d.out, "\nThe ladder of the good call (GET /v1/calls/%s/messages)\n\n%10s %-28s  %s\n", d.good, "alice", "                      border", "      bob")
	first := page.Items[0].At
	for _, m := range page.Items {
		left, right := strings.Repeat(" ", 34), ""
		arrow := "── " + clip(m.Summary, 26) + " "
		arrow += strings.Repeat("─", max(0, 33-len([]rune(arrow))))
		switch {
		case m.Side == sbc.SideCaller && m.Direction == "in":
			left = arrow + "▶"
		case m.Side == sbc.SideCaller:
			left = "◀" + arrow
		case m.Direction == "in":
			right = "◀" + arrow
		default:
			right = arrow + "▶"
		}
		fmt.Fprintf(d.out, "%7.1fms │%s│%-34s│\n", float64(m.At.Sub(first).Microseconds())/1000, left, right)
	}
	for _, side := range []sbc.Side{sbc.SideCaller, sbc.SideCallee} {
		for _, m := range page.Items {
			if m.Side == side && strings.HasPrefix(m.Raw, "INVITE ") {
				way := "came in from " + m.RemoteAddress
				if m.Direction == "out" {
					way = "went out to " + m.RemoteAddress
				}
				fmt.Fprintf(d.out, "\n  The INVITE that %s:\n\n%s", way, indent(m.Raw))
				break
			}
		}
	}
	return nil
}

func clip(s string, most int) string {
	s = strings.TrimSuffix(strings.TrimSuffix(s, " SIP/2.0"), "\r")
	s = strings.TrimPrefix(s, "SIP/2.0 ")
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}

func indent(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		b.WriteString("      " + strings.TrimRight(line, "\r\n") + "\n")
	}
	return b.String()
}

// showHiding proves that nothing of one side reached the other: neither address nor name nor identifier of a dialog, in any
// byte that either phone received in all four calls.
func (d *theDemo) showHiding(ctx context.Context) error {
	var page rest.Page[sbc.CDR]
	if err := d.api.Get(ctx, "/v1/cdrs", &page); err != nil {
		return err
	}
	west := []string{"127.0.10.", "Westphone"}
	east := []string{"127.0.20.", "Eastphone"}
	for _, c := range page.Items {
		for _, leg := range c.Legs {
			if leg.Side == sbc.SideCaller {
				west = append(west, leg.SIPCallID)
			} else {
				east = append(east, leg.SIPCallID)
			}
		}
	}
	for _, check := range []struct {
		who       string
		bytes     []byte
		forbidden []string
	}{{"alice", d.alice.Received(), east}, {"bob", d.bob.Received(), west}} {
		for _, secret := range check.forbidden {
			if secret != "" && bytes.Contains(check.bytes, []byte(secret)) {
				return fmt.Errorf("a message that %s received holds %q of the other side", check.who, secret)
			}
		}
		fmt.Fprintf(d.out, "\n✓ hiding        %d bytes of SIP that %s received: none of %d addresses, names and Call-IDs of the other side",
			len(check.bytes), check.who, len(check.forbidden))
	}
	fmt.Fprintln(d.out)
	return nil
}

// showRecords prints the call records as the API gives them.
func (d *theDemo) showRecords(ctx context.Context) error {
	path := "/v1/cdrs?" + url.Values{"limit": {"10"}}.Encode()
	var page json.RawMessage
	if err := d.api.Get(ctx, path, &page); err != nil {
		return err
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, page, "", "  "); err != nil {
		return err
	}
	fmt.Fprintf(d.out, "\nThe call records (GET %s)\n\n%s\n", path, pretty.String())
	var records rest.Page[sbc.CDR]
	if err := json.Unmarshal(page, &records); err != nil {
		return err
	}
	if len(records.Items) != 4 {
		return fmt.Errorf("there are %d call records of four calls", len(records.Items))
	}
	for _, c := range records.Items {
		if c.Callee == numberFailover && len(c.Attempts) != 2 {
			return fmt.Errorf("the failover call's record has %d attempts; two were made", len(c.Attempts))
		}
	}
	return nil
}
