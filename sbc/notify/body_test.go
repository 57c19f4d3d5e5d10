package notify

import (
	"strings"
	"testing"
)

// TestHugeBodies: what is written anew is never much more than what came, and judged in time that is linear.
func TestHugeBodies(t *testing.T) {
	judged := 0
	c := &Cleaner{Clean: func(string) bool { judged++; return true }}
	out := c.summary("Messages-Waiting: yes\r\n" + strings.Repeat("message-account:\n", 3800))
	if len(out) > 1000 || judged > 100 {
		t.Errorf("%d octets, %d texts judged", len(out), judged)
	}
	const open, end = `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="pres:4930@x">`, `</presence>`
	if out = c.presence([]byte(open + strings.Repeat("<note>a</note>", 4000) + end)); out == nil || judged > 100 {
		t.Errorf("%d octets, %d texts judged", len(out), judged)
	}
	for name, in := range map[string]string{
		"entities": `<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>` + open + "<note>&b;</note>" + end,
		"outside":  `<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>` + open + "<note>&a;</note>" + end,
		"cut":      open + strings.Repeat("<tuple>", 9000),
	} {
		if out := c.presence([]byte(in)); out != nil {
			t.Errorf("%s: %s", name, out)
		}
	}
	if out := c.presence([]byte(open + strings.Repeat("<x>", 9000) + strings.Repeat("</x>", 9000) + end)); len(out) > 300 {
		t.Errorf("nested: %d octets", len(out))
	}
}
