package rates

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// read makes a table of CSV that must be good.
func read(t testing.TB, text string) *Table {
	t.Helper()
	table, faults, err := Read(strings.NewReader(text))
	if err != nil || len(faults) > 0 {
		t.Fatal(err, faults)
	}
	return table
}

func day(t testing.TB, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// corpus is a deck as carriers send them: a new price from new year in Berlin on, a price that ended, a default.
const corpus = "\ufeffprefix,per_minute,connection,minimum_s,increment_s,from,until,name\n" +
	"49,0.01,0,1,1,,,Germany\n" +
	"+4915,0.052,0.001,60,60,,,Germany mobile\n" +
	"4930,0.009,,30,6,2026-01-01,2026-12-31T23:00:00Z,Berlin\n" +
	"4930,0.008,,30,6,2027-01-01T00:00:00+01:00,,\"Berlin, from 2027\"\n" +
	"4932168,1.5,,,,,2026-06-01,ended\n" +
	",9.999999999,,,,,,anything else\n"

func TestLongestPrefixThatHolds(t *testing.T) {
	table := read(t, corpus)
	for _, tt := range []struct{ number, at, prefix, price string }{
		{"+4989123", "2026-11-23T12:00:00Z", "49", "0.010000000"},
		{"4989123", "2026-11-23T12:00:00Z", "49", "0.010000000"},
		{"49", "2026-11-23T12:00:00Z", "49", "0.010000000"},
		{"4", "2026-11-23T12:00:00Z", "", "9.999999999"},
		{"+491512345678", "2026-11-23T12:00:00Z", "4915", "0.052000000"},
		{"4930", "2026-11-23T12:00:00Z", "4930", "0.009000000"},
		{"493012", "2025-12-31T23:59:59Z", "49", "0.010000000"}, // not yet
		{"493012", "2026-12-31T22:59:59Z", "4930", "0.009000000"},
		{"493012", "2026-12-31T23:00:00Z", "4930", "0.008000000"}, // midnight in Berlin
		{"493216812", "2026-05-31T23:59:59Z", "4932168", "1.500000000"},
		{"493216812", "2026-06-01T00:00:00Z", "49", "0.010000000"}, // no more
		{"4932167", "2026-05-31T23:59:59Z", "49", "0.010000000"},
		{"alice", "2026-11-23T12:00:00Z", "", "9.999999999"},
		{"4915123456789012345678", "2026-11-23T12:00:00Z", "4915", "0.052000000"},
	} {
		r := table.Lookup(tt.number, day(t, tt.at))
		if r == nil || r.Prefix != tt.prefix || sbc.FormatMoney(r.PerMinute) != tt.price {
			t.Errorf("%s at %s: %+v, want %s at %s", tt.number, tt.at, r, tt.prefix, tt.price)
		}
	}
	if r := (&Table{}).Lookup("49", time.Now()); r != nil {
		t.Errorf("an empty table has %+v", r)
	}
	if r := read(t, "prefix;per_minute\n49;1\n").Lookup("48", time.Now()); r != nil {
		t.Errorf("48 has %+v", r)
	}
}

// TestMidnight is a call before and one after a deck's prices change, by the clock.
func TestMidnight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := read(t, "prefix,per_minute,from\n49,1,\n49,2,2000-01-02\n") // synctest begins on 2000-01-01T00:00:00Z
		time.Sleep(24*time.Hour - time.Second)
		before := table.Lookup("4930", time.Now())
		time.Sleep(time.Second)
		after := table.Lookup("4930", time.Now())
		if before.PerMinute != 1*sbc.MoneyUnit || after.PerMinute != 2*sbc.MoneyUnit {
			t.Errorf("%+v, then %+v", before, after)
		}
	})
}

// TestLookupEqualsTheObvious compares with a search through all rates.
func TestLookupEqualsTheObvious(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	digits := func(most int) string {
		b := make([]byte, r.IntN(most+1))
		for i := range b {
			b[i] = "0179"[r.IntN(4)]
		}
		return string(b)
	}
	for range 300 {
		text := strings.Builder{}
		text.WriteString("prefix,per_minute,from,until\n")
		type row struct {
			prefix             string
			price, from, until int64
		}
		var rows []row
		seen := map[string]bool{}
		for i := range 1 + r.IntN(40) {
			c := row{prefix: digits(5), price: int64(i), from: int64(r.IntN(4)) * 86400 * 1000, until: 0}
			if r.IntN(3) == 0 {
				c.until = c.from + int64(1+r.IntN(3))*86400*1000
			}
			if key := fmt.Sprint(c.prefix, "/", c.from); seen[key] {
				continue
			} else {
				seen[key] = true
			}
			rows = append(rows, c)
			fmt.Fprintf(&text, "%s,%d,%s,%s\n", c.prefix, c.price, date(moment(c.from)), date(moment(c.until)))
		}
		table := read(t, text.String())
		for range 50 {
			number, at := digits(8), int64(r.IntN(8))*86400*500
			best := -1
			for i, c := range rows {
				if !strings.HasPrefix(number, c.prefix) || at < c.from || c.until != 0 && at >= c.until {
					continue
				}
				if best < 0 || len(c.prefix) > len(rows[best].prefix) || len(c.prefix) == len(rows[best].prefix) && c.from > rows[best].from {
					best = i
				}
			}
			switch got := table.Lookup(number, time.Unix(at, 0)); {
			case best < 0 && got != nil, best >= 0 && got == nil:
				t.Fatalf("%s at %d: %+v, want row %d of\n%s", number, at, got, best, text.String())
			case best >= 0 && got.PerMinute != rows[best].price*sbc.MoneyUnit:
				t.Fatalf("%s at %d: %+v, want %+v of\n%s", number, at, got, rows[best], text.String())
			}
		}
	}
}

func TestChargesAreExact(t *testing.T) {
	for _, tt := range []struct {
		rate   string
		ms     int64
		billed int
		amount string
	}{
		{"49,0.01,0,0,1", 0, 0, "0.000000000"},
		{"49,0.01,0,1,1", 0, 1, "0.000166667"},
		{"49,0.01,0,1,1", 60_000, 60, "0.010000000"},
		{"49,0.01,0,1,1", 60_001, 61, "0.010166667"},
		{"49,0.012,0.05,60,60", 1, 60, "0.062000000"},
		{"49,0.012,0.05,60,60", 60_001, 120, "0.074000000"},
		{"49,0.012,0,30,6", 31_000, 36, "0.007200000"},
		{"49,0.012,0,30,6", 36_000, 36, "0.007200000"},
		{"49,0.000000001,0,0,1", 30_000, 30, "0.000000001"}, // a half is rounded up
		{"49,0.000000001,0,0,1", 29_000, 29, "0.000000000"},
		{"49,10000,10000,3600,3600", 86_400_000, 86_400, "14410000.000000000"},
	} {
		r := read(t, "prefix,per_minute,connection,minimum_s,increment_s\n"+tt.rate+"\n").Lookup("49", time.Now())
		deck := &sbc.RateDeck{Meta: sbc.Meta{ID: "rdk_1"}, Currency: "EUR"}
		c := r.Charge(deck).Bill(tt.ms)
		if c.BilledS != tt.billed || c.Amount != tt.amount || c.Prefix != "49" || c.Currency != "EUR" || c.RateDeckID != "rdk_1" {
			t.Errorf("%s, %d ms: %+v, want %d s and %s", tt.rate, tt.ms, c, tt.billed, tt.amount)
		}
	}
}

// TestEveryBadRowIsTold with row and column, and nothing is taken.
func TestEveryBadRowIsTold(t *testing.T) {
	table, faults, err := Read(strings.NewReader("prefix,per_minute,connection,minimum_s,increment_s,from,until,name\n" +
		"49,0.01,,,,,,good\n" +
		"49x,0.01,,,,,,\n" +
		"1234567890123456,0.01,,,,,,\n" +
		"48,,,,,,,\n" +
		"47,\"1,5\",-1,,,,,\n" +
		"46,10000.000000001,0.0000000001,,,,,\n" +
		"45,1,,-1,0,,,\n" +
		"44,1,,3601,x,,,\n" +
		"43,1,,,,yesterday,2026-13-01,\n" +
		"42,1,,,,2026-02-01,2026-02-01,\n" +
		"41,1,,,,,,\"a\tb\"\n" +
		"40,1,\"x\"y,,,,,\n" +
		"+49,0.02,,,,,,double\n" +
		"39,1,,,,,,,more\n"))
	if table != nil || err != nil {
		t.Error(table, err)
	}
	var got []string
	for _, f := range faults {
		got = append(got, f.Pointer+" "+f.Code)
		if f.Detail == "" {
			t.Errorf("%v says nothing", f)
		}
	}
	want := []string{
		"#/2/prefix pattern", "#/3/prefix pattern", "#/4/per_minute amount", "#/5/per_minute amount", "#/5/connection amount",
		"#/6/per_minute amount", "#/6/connection amount", "#/7/minimum_s range", "#/7/increment_s range", "#/8/minimum_s range",
		"#/8/increment_s range", "#/9/from date", "#/9/until date", "#/10/until order", "#/11/name pattern", "#/12 csv", "#/14 csv",
		"#/13/prefix double",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	for text, want := range map[string]string{
		"": "#/0/prefix required", "49,0.01\n": "#/0 unknown", "prefix,per_minute,prefix\n": "#/0/prefix double",
		"prefix,per_minute,colour\n": "#/0 unknown", "prefix,\"per_minute\n": "#/0 csv",
	} {
		if _, faults, err := Read(strings.NewReader(text)); err != nil || len(faults) == 0 || faults[0].Pointer+" "+faults[0].Code != want {
			t.Errorf("%q: %v %v, want %s", text, faults, err, want)
		}
	}
	if _, faults, _ := Read(strings.NewReader("prefix,per_minute\n" + strings.Repeat("x,1\n", MaxFaults+5))); len(faults) != MaxFaults+1 ||
		!strings.Contains(faults[MaxFaults].Detail, strconv.Itoa(MaxFaults+5)) {
		t.Errorf("%d faults are told", len(faults))
	}
	broken := errors.New("the connection broke")
	if _, _, err := Read(io.MultiReader(strings.NewReader("prefix,per_minute\n49,1\n"), failing{broken})); !errors.Is(err, broken) {
		t.Errorf("a body that broke off: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// TestWhatIsWrittenIsReadAgain and the blob of the same rates is the same, whatever order they came in.
func TestWhatIsWrittenIsReadAgain(t *testing.T) {
	lines := strings.Split(strings.TrimSuffix(strings.TrimPrefix(corpus, "\ufeff"), "\n"), "\n")
	slices.Reverse(lines[1:])
	one, two := read(t, corpus), read(t, strings.Join(lines, "\r\n"))
	a, errA := Pack(one)
	b, errB := Pack(two)
	if errA != nil || errB != nil || !bytes.Equal(a, b) {
		t.Error("two blobs of the same rates", errA, errB)
	}
	again, err := Unpack(bytes.NewReader(a))
	if err != nil {
		t.Fatal(err)
	}
	var before, after strings.Builder
	if err := errors.Join(one.Write(&before), again.Write(&after)); err != nil || before.String() != after.String() {
		t.Errorf("%v\n%s\n%s", err, before.String(), after.String())
	}
	if _, err := Unpack(strings.NewReader("no gzip")); err == nil {
		t.Error("no blob of rates was taken")
	}
}

// copies stands for blob.Copies.
type copies struct {
	mu   sync.Mutex
	have map[string][]byte
}

func (c *copies) Keep(b sbc.Blob, content []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.have[b.SHA256] = content
	return nil
}
func (c *copies) Load(context.Context, []sbc.Blob) {}
func (c *copies) Want([]sbc.Blob)                  {}
func (c *copies) Open(b sbc.Blob) (io.ReaderAt, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	content, ok := c.have[b.SHA256]
	return bytes.NewReader(content), ok
}

func TestTablesFollowTheConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		blob := func(text string) (sbc.Blob, []byte) {
			content, err := Pack(read(t, text))
			if err != nil {
				t.Fatal(err)
			}
			return sbc.Blob{OwnerID: "rdk_1", Name: sbc.BlobRates, SHA256: sbc.HashBlob(content), Size: int64(len(content))}, content
		}
		one, content := blob("prefix,per_minute\n49,1\n")
		two, later := blob("prefix,per_minute\n49,2\n")
		other := sbc.Blob{OwnerID: "ann_1", Name: sbc.BlobAudio, SHA256: "audio"}
		inner := &copies{have: map[string][]byte{}}
		tables := NewTables(inner, nil)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); tables.Run(ctx) }()
		if err := errors.Join(tables.Keep(one, content), tables.Keep(other, []byte("no rates"))); err != nil {
			t.Fatal(err)
		}
		if tables.Table(one.SHA256) == nil || inner.have["audio"] == nil {
			t.Error("what was brought is not there")
		}
		tables.Want([]sbc.Blob{two, other}) // another node wrote it; its blob comes late
		time.Sleep(3 * time.Second)
		if tables.Table(one.SHA256) != nil || tables.Table(two.SHA256) != nil {
			t.Error("a table is there that should not be")
		}
		if err := inner.Keep(two, later); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		if tables.Table(two.SHA256) == nil {
			t.Error("a blob that came late has no table")
		}
		tables.Load(ctx, []sbc.Blob{one})
		if tables.Table(one.SHA256) == nil {
			t.Error("a copy that is there has no table")
		}
		if err := tables.Keep(sbc.Blob{Name: sbc.BlobRates, SHA256: "x"}, []byte("broken")); err == nil {
			t.Error("broken rates were kept")
		}
		cancel()
		<-done
	})
}

// manyRates is a deck of n rates as CSV.
func manyRates(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	var b bytes.Buffer
	b.WriteString("prefix,per_minute,connection,minimum_s,increment_s,from,until,name\n")
	seen := make(map[uint64]bool, n)
	for len(seen) < n {
		key := r.Uint64N(9e9) + 1e9
		for range r.IntN(5) {
			key /= 10
		}
		if !seen[key] {
			seen[key] = true
			fmt.Fprintf(&b, "%d,0.%04d,0,60,1,2026-12-01,,destination %d\n", key, r.IntN(10000), key%3000)
		}
	}
	return b.Bytes()
}

// TestMillion: a deck of a million rates fits a blob, and is found fast.
func TestMillion(t *testing.T) {
	if testing.Short() || underRace {
		t.Skip("a million rates")
	}
	text := manyRates(MaxRates)
	started := time.Now()
	table := read(t, string(text))
	parsed := time.Since(started)
	blob, err := Pack(table)
	if err != nil {
		t.Fatal(err)
	}
	packed := time.Since(started) - parsed
	r, at := rand.New(rand.NewPCG(3, 4)), time.Now()
	took := make([]time.Duration, 100_000)
	for i := range took {
		number := strconv.FormatUint(r.Uint64N(9e11)+1e11, 10)
		began := time.Now()
		table.Lookup(number, at)
		took[i] = time.Since(began)
	}
	slices.Sort(took)
	t.Logf("%d MB of CSV read in %v, %d MB of blob in %v; lookup p99 %v", len(text)>>20, parsed, len(blob)>>20, packed, took[99_000])
	if _, faults, _ := Read(strings.NewReader(string(text) + "1,1\n2,2\n")); len(faults) == 0 || faults[0].Code != "too_many" {
		t.Error("more than a million rates are taken", faults)
	}
}

func BenchmarkLookup(b *testing.B) {
	table := read(b, string(manyRates(100_000)))
	at := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	b.ReportAllocs()
	for b.Loop() {
		table.Lookup("+4930123456", at)
	}
}
