package sbc

import (
	"regexp"
	"time"
)

// RateDeck is a table of prices by prefix: what a trunk costs, or what is charged. Its rates are uploaded as CSV; the deck holds their
// digest, so that a new table is a new revision.
type RateDeck struct {
	Meta
	// Currency is a code of ISO 4217, "EUR".
	Currency string `json:"currency"`
	// RatesSHA256 is the digest of the blob of the rates and RatesBytes its size in octets, Rates what is shown of them; set by the
	// upload, never by a body. "", 0 and nil until there is one.
	RatesSHA256 string          `json:"rates_sha256,omitempty"`
	RatesBytes  int             `json:"rates_bytes,omitempty"`
	Rates       *RateDeckStatus `json:"rates,omitempty"`
}

// The rates of a deck among the blobs: its CSV (sbc/rates), compressed (RFC 1952).
const (
	BlobRates        = "rates"
	RatesContentType = "application/gzip"
)

// RateDeckStatus is what a deck holds.
type RateDeckStatus struct {
	RateCount  int        `json:"rate_count"`
	UploadedAt *time.Time `json:"uploaded_at,omitempty"`
}

// Rate is one row of a deck. Amounts are in billionths of the currency's unit, so that sums are exact.
type Rate struct {
	Prefix string
	// PerMinute, Connection: the price of a minute, and of an answered call as such.
	PerMinute, Connection int64
	// MinimumS is the least that is charged, IncrementS the step beyond it (60/60, 1/1, 30/6).
	MinimumS, IncrementS int
	// From and Until bound when it holds: a call counts by the moment of its answer. Zero is no bound.
	From, Until time.Time
	Name        string
}

// Kind names the kind.
func (*RateDeck) Kind() Kind { return KindRateDeck }

// Base gives the common fields.
func (d *RateDeck) Base() *Meta { return &d.Meta }

// Defaults has nothing to set.
func (*RateDeck) Defaults() {}

var currency = regexp.MustCompile(`^[A-Z]{3}$`)

// Validate checks the currency.
func (d *RateDeck) Validate() []Fault {
	f := faults(d.Meta.validate())
	if !currency.MatchString(d.Currency) {
		f.add("#/currency", "pattern", "must be a code of ISO 4217 such as EUR")
	}
	return f
}

// Blob is the blob that holds its rates.
func (d *RateDeck) Blob() Blob {
	return Blob{OwnerID: d.ID, Name: BlobRates, ContentType: RatesContentType, Size: int64(d.RatesBytes), SHA256: d.RatesSHA256}
}

// Blobs lists the blob that every node needs: the rates, if there are any.
func (d *RateDeck) Blobs() []Blob {
	if d.RatesSHA256 == "" {
		return nil
	}
	return []Blob{d.Blob()}
}

// References lists the resources it needs.
func (d *RateDeck) References() []Reference {
	return refs(Reference{Pointer: "#/tenant_id", Kind: KindTenant, ID: d.TenantID})
}
