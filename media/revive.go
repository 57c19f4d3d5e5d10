package media

import (
	"github.com/sallyport/sallyport/media/relay"
	"github.com/sallyport/sallyport/media/sdp"
	"github.com/sallyport/sallyport/media/secure"
)

// revive gives an end the keys that it had in an earlier process. Nothing passes in the clear, and nothing at all until the party was
// offered new ones; what it sends may be under its old one then.
func (e *end) revive(k *EndState, now int64) error {
	theirs, err := secure.ParseCrypto(k.Theirs)
	if err != nil {
		return err
	}
	in, err := secure.New(theirs.Keys)
	if err != nil {
		return err
	}
	in.Hunt()
	e.keys = &keys{proto: k.SRTP, theirs: theirs, made: []keyed{{theirs.Keys, in}}, stale: true}
	e.keys.ours.Keys.Suite = k.Suite
	e.stream.Secure(&relay.Keys{}, now)
	return nil
}

// revived lets what was said to a restored party count as it did when it was said: lines with keys as RTP.
func (p *Party) revived() {
	for _, d := range [...]*sdp.Description{p.said, p.author.Said()} {
		if d == nil {
			continue
		}
		for i := range d.Media {
			if p.keyed(i) != nil && (d.Media[i].Transport == sdp.TransportSRTP || d.Media[i].Transport == sdp.TransportDTLS) {
				d.Media[i].Transport = sdp.TransportRTP
			}
		}
	}
}
