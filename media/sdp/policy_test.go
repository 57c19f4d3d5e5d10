package sdp

import (
	"net/netip"
	"strings"
	"testing"
)

const deskPhone = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n" +
	"m=audio 4000 RTP/AVP 8 0 9 18 110 101 13\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:110 speex/16000\r\na=fmtp:18 annexb=no\r\n" +
	"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=x-colour:red\r\na=sendrecv\r\n"

// policed is what becomes of an offer between two sides.
func policed(t *testing.T, offer string, from, to *Policy) string {
	t.Helper()
	d, err := Parse([]byte(offer))
	if err != nil {
		t.Fatal(err)
	}
	v := View{Address: netip.MustParseAddr("198.51.100.1"), Source: from, Policy: to}
	for i := range d.Media {
		v.Streams = append(v.Streams, Stream{Port: 6000 + 2*i, Mux: d.Media[i].Mux})
	}
	out, err := Rewrite(d, v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out.AppendTo(nil))
}

func TestPolicyOfCodecs(t *testing.T) {
	for name, c := range map[string]struct {
		from, to *Policy
		want     string // the formats; "" means refused
	}{
		"none":                 {nil, nil, "8 0 9 18 110 101 13"},
		"empty":                {&Policy{}, &Policy{}, "8 0 9 18 110 101 13"},
		"allow":                {nil, &Policy{Allow: []string{"pcmu", "G729"}}, "0 18 101 13"},
		"allow, of the source": {&Policy{Allow: []string{"PCMA"}}, nil, "8 101 13"},
		"both allow":           {&Policy{Allow: []string{"PCMA", "PCMU"}}, &Policy{Allow: []string{"PCMU", "G722"}}, "0 101 13"},
		"nothing in common":    {&Policy{Allow: []string{"PCMA"}}, &Policy{Allow: []string{"PCMU"}}, ""},
		"deny":                 {nil, &Policy{Deny: []string{"G722", "CN", "telephone-event"}}, "8 0 18 110"},
		"deny wins":            {nil, &Policy{Allow: []string{"PCMA", "PCMU"}, Deny: []string{"PCMA"}}, "0 101 13"},
		"order":                {nil, &Policy{Order: []string{"G729", "PCMU"}}, "18 0 8 9 110 101 13"},
		"order of the source":  {&Policy{Order: []string{"G729"}}, nil, "8 0 9 18 110 101 13"},
		"clock rate":           {nil, &Policy{Deny: []string{"speex/8000"}}, "8 0 9 18 110 101 13"},
		"that clock rate":      {nil, &Policy{Deny: []string{"Speex/16000"}}, "8 0 9 18 101 13"},
		"another spelling":     {nil, &Policy{Allow: []string{"G729A"}}, "18 101 13"},
	} {
		t.Run(name, func(t *testing.T) {
			got := policed(t, deskPhone, c.from, c.to)
			want := "m=audio 6000 RTP/AVP " + c.want + "\r\n"
			if c.want == "" {
				want = "m=audio 0 "
			}
			if !strings.Contains(got, want) {
				t.Errorf("want %s\n%s", want, got)
			}
			for _, pt := range []string{"8", "18", "110", "101"} {
				if strings.Contains(" "+c.want+" ", " "+pt+" ") {
					continue
				}
				if strings.Contains(got, "rtpmap:"+pt+" ") || strings.Contains(got, "fmtp:"+pt+" ") {
					t.Errorf("attributes of %s are left:\n%s", pt, got)
				}
			}
		})
	}
}

// A retransmission goes with its codec (RFC 4588).
func TestPolicyTakesRetransmissionsAlong(t *testing.T) {
	got := policed(t, "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=video 4000 RTP/AVPF 96 97 98 99\r\n"+
		"a=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96;rtx-time=200\r\na=rtpmap:98 H264/90000\r\n"+
		"a=rtpmap:99 rtx/90000\r\na=fmtp:99 apt=98\r\na=rtcp-fb:* nack\r\na=rtcp-fb:96 nack pli\r\n", nil, &Policy{Deny: []string{"VP8"}})
	if !strings.Contains(got, "RTP/AVPF 98 99\r\n") || !strings.Contains(got, "rtcp-fb:* nack") || strings.Contains(got, ":96 ") {
		t.Error(got)
	}
}

func TestPolicyOfFax(t *testing.T) {
	const fax = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=image 4000 udptl t38\r\na=T38FaxVersion:0\r\n"
	if got := policed(t, fax, nil, &Policy{Allow: []string{"PCMA"}}); !strings.Contains(got, "m=image 6000 udptl t38\r\na=T38FaxVersion:0") {
		t.Errorf("an allow list is for RTP:\n%s", got)
	}
	if got := policed(t, fax, &Policy{Deny: []string{"T38"}}, nil); !strings.Contains(got, "m=image 0 udptl t38\r\n") {
		t.Errorf("fax is denied:\n%s", got)
	}
}

func TestPolicyOfAttributes(t *testing.T) {
	got := policed(t, deskPhone, nil, &Policy{Ptime: 30, Strip: []string{"X-Colour", "fmtp", "sendrecv"}})
	if strings.Count(got, "a=ptime:") != 1 || !strings.Contains(got, "a=ptime:30\r\n") {
		t.Errorf("ptime:\n%s", got)
	}
	for _, s := range []string{"colour", "fmtp", "sendrecv"} {
		if strings.Contains(got, s) {
			t.Errorf("%s is left:\n%s", s, got)
		}
	}
	long := strings.Replace(deskPhone, "a=ptime:20", "a=maxptime:20", 1)
	if got = policed(t, long, nil, &Policy{Ptime: 60}); !strings.Contains(got, "a=ptime:20\r\n") {
		t.Errorf("more than maxptime is asked for:\n%s", got)
	}
	held := strings.Replace(deskPhone, "a=sendrecv", "a=sendonly\r\na=rtcp-mux", 1)
	got = policed(t, held, nil, &Policy{Strip: []string{"sendonly", "rtcp-mux", "rtcp", "ptime"}})
	if !strings.Contains(got, "a=sendonly\r\n") || strings.Contains(got, "rtcp") || strings.Contains(got, "ptime") {
		t.Errorf("stripped:\n%s", got)
	}
}

// The answer holds what was offered only, in the order of the side that gets it, with its ptime.
func TestPolicyOfAnswers(t *testing.T) {
	offer, _ := Parse([]byte(deskPhone))
	from, to := &Policy{Order: []string{"G722"}, Ptime: 40, Strip: []string{"tool", "x-colour"}}, &Policy{Deny: []string{"PCMU"}}
	v := View{Address: netip.MustParseAddr("198.51.100.1"), Streams: []Stream{{Port: 6000}}, Source: from, Policy: to}
	sent, err := Rewrite(offer, v)
	if err != nil {
		t.Fatal(err)
	}
	answer, _ := Parse([]byte("v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\nm=audio 5000 RTP/AVP 8 0 9 101\r\n" +
		"a=rtpmap:101 telephone-event/8000\r\na=x-colour:blue\r\na=ptime:20\r\n"))
	agreed, _, err := Check(sent, answer)
	if err != nil {
		t.Fatal(err)
	}
	v.Policy, v.Source = from, nil
	back, err := Answer(offer, agreed, v)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(back.AppendTo(nil)); !strings.Contains(got, "m=audio 6000 RTP/AVP 9 8 101\r\n") ||
		!strings.Contains(got, "a=ptime:40\r\n") || strings.Contains(got, "colour") {
		t.Error(got)
	}
}
