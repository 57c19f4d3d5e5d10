package secure

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"

	"github.com/pion/dtls/v3"
	"github.com/pion/logging"
)

// handshaker is what is needed of a dtls.Conn.
type handshaker interface {
	HandshakeContext(ctx context.Context) error
	ConnectionState() (dtls.State, bool)
	SelectedSRTPProtectionProfile() (dtls.SRTPProtectionProfile, bool)
	Close() error
}

// exporter is the label of RFC 5764 4.2.
const exporter = "EXTRACTOR-dtls_srtp"

// mtu is the size of our handshake datagrams: they pass any tunnel.
const mtu = 1200

// dtlsProfile is a suite in the words of DTLS; false if there is none.
func (s Suite) dtlsProfile() (dtls.SRTPProtectionProfile, bool) {
	switch s {
	case GCM128:
		return dtls.SRTP_AEAD_AES_128_GCM, true
	case GCM256:
		return dtls.SRTP_AEAD_AES_256_GCM, true
	case CM128HM80:
		return dtls.SRTP_AES128_CM_HMAC_SHA1_80, true
	case CM128HM32:
		return dtls.SRTP_AES128_CM_HMAC_SHA1_32, true
	}
	return 0, false
}

// dtlsSuite is the other way round.
func dtlsSuite(p dtls.SRTPProtectionProfile) (Suite, bool) {
	for _, s := range Suites() {
		if q, ok := s.dtlsProfile(); ok && p == q {
			return s, true
		}
	}
	return "", false
}

// conn makes the connection of one handshake.
func (a *Association) conn(f *feed) (*dtls.Conn, error) {
	var profiles []dtls.SRTPProtectionProfile
	for _, s := range a.o.Suites {
		if p, ok := s.dtlsProfile(); ok {
			profiles = append(profiles, p)
		}
	}
	if len(profiles) == 0 {
		return nil, fmt.Errorf("%w: none of those allowed has a profile in DTLS", ErrSuite)
	}
	options := []dtls.Option{
		dtls.WithCertificates(a.o.Identity.certificate),
		dtls.WithSRTPProtectionProfiles(profiles...),
		dtls.WithInsecureSkipVerify(true), // no authority vouches for peers, signalling does: see verify
		dtls.WithVerifyPeerCertificate(a.verify),
		dtls.WithExtendedMasterSecret(dtls.RequireExtendedMasterSecret), // RFC 7627: else two handshakes may have one key
		dtls.WithMTU(mtu),
		dtls.WithLoggerFactory(&logging.DefaultLoggerFactory{Writer: io.Discard, DefaultLogLevel: logging.LogLevelDisabled}),
	}
	if a.o.Active {
		list := make([]dtls.ClientOption, 0, len(options))
		for _, o := range options {
			list = append(list, o)
		}
		return dtls.ClientWithOptions(f, f.LocalAddr(), list...)
	}
	list := make([]dtls.ServerOption, 0, len(options)+1)
	for _, o := range options {
		list = append(list, o)
	}
	return dtls.ServerWithOptions(f, f.LocalAddr(), append(list, dtls.WithClientAuth(dtls.RequireAnyClientCert))...)
}

// verify holds the certificate of the peer against what signalling told. That the peer has its key is proved by the handshake.
func (a *Association) verify(chain [][]byte, _ [][]*x509.Certificate) error {
	if len(chain) > 0 {
		for _, f := range a.o.Peer {
			if f.of(chain[0]) {
				return nil
			}
		}
	}
	return fmt.Errorf("%w: the peer's certificate is another one", ErrFingerprint)
}

// keys takes the keys of both directions out of a finished handshake (RFC 5764 4.2).
func (a *Association) keys(conn handshaker) (seal, open *Context, err error) {
	profile, ok := conn.SelectedSRTPProtectionProfile()
	suite, known := dtlsSuite(profile)
	if !ok || !known {
		return nil, nil, fmt.Errorf("%w: no use_srtp", ErrHandshake)
	}
	state, ok := conn.ConnectionState()
	if !ok {
		return nil, nil, fmt.Errorf("%w: no state", ErrHandshake)
	}
	keySize, saltSize := suite.Sizes()
	material, err := state.ExportKeyingMaterial(exporter, nil, 2*(keySize+saltSize))
	if err != nil {
		return nil, nil, fmt.Errorf("secure: exporter: %w", err)
	}
	cut := func(n int) []byte {
		b := material[:n:n]
		material = material[n:]
		return b
	}
	clientKey, serverKey := cut(keySize), cut(keySize)
	client := Keys{Suite: suite, Key: clientKey, Salt: cut(saltSize)}
	server := Keys{Suite: suite, Key: serverKey, Salt: cut(saltSize)}
	ours, theirs := server, client
	if a.o.Active {
		ours, theirs = client, server
	}
	if seal, err = New(ours); err != nil {
		return nil, nil, err
	}
	open, err = New(theirs)
	return seal, open, err
}
