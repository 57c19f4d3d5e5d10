package account

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// file is what the journal needs of a file; tests put in one that is full.
type file interface {
	io.ReaderAt
	io.WriterAt
	Truncate(size int64) error
	Sync() error
	Close() error
}

// createFunc makes a new file for reading and writing, which must not exist yet.
type createFunc func(path string) (file, error)

const private = 0o600

func createFile(path string, volatile bool) (file, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, private)
	if err != nil {
		return nil, err
	}
	return dataFile{f, volatile}, nil
}

// dataFile forces only data to the disk, and of the metadata what is needed to find it.
type dataFile struct {
	*os.File
	volatile bool
}

// Sync is fdatasync where there is one.
func (f dataFile) Sync() error {
	if f.volatile {
		return nil
	}
	return datasync(f.File)
}

// syncDir makes new and removed names of the folder last.
func (j *Journal) syncDir() error {
	if j.o.volatile {
		return nil
	}
	d, err := os.Open(j.o.Dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// The names of segments: a number, so that they sort.
const (
	segmentPrefix = "segment-"
	segmentSuffix = ".ndjson"
)

func segmentName(n uint64) string { return fmt.Sprintf("%s%016d%s", segmentPrefix, n, segmentSuffix) }

// listSegments gives the numbers of the segments in a folder, rising.
func listSegments(dir string) ([]uint64, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var numbers []uint64
	for _, e := range entries {
		s, ok := strings.CutPrefix(e.Name(), segmentPrefix)
		s, ok2 := strings.CutSuffix(s, segmentSuffix)
		if n, err := strconv.ParseUint(s, 10, 64); ok && ok2 && err == nil {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// slots is a small file that is overwritten in place: two slots in turn, each with a number and a checksum, so that one of them
// is whole whenever the power goes.
type slots struct {
	f      *os.File
	number uint64
}

const slotLen = 128

// openSlots opens the file and gives the newest content, "" if there is none.
func openSlots(path string) (*slots, string, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, private)
	if err != nil {
		return nil, "", err
	}
	s, newest := &slots{f: f}, ""
	var buf [2 * slotLen]byte
	n, err := f.ReadAt(buf[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, "", errors.Join(err, f.Close())
	}
	for b := buf[:n]; len(b) >= slotLen; b = b[slotLen:] {
		if number, content, ok := parseSlot(b[:slotLen]); ok && number >= s.number {
			s.number, newest = number, content
		}
	}
	return s, newest, nil
}

func parseSlot(b []byte) (number uint64, content string, ok bool) {
	sum, body, _ := strings.Cut(string(b), " ")
	first, content, _ := strings.Cut(strings.TrimRight(body, " \n"), " ")
	number, err := strconv.ParseUint(first, 10, 64)
	return number, content, err == nil && sum == fmt.Sprintf("%08x", crc32.Checksum([]byte(body), castagnoli))
}

// write overwrites the older slot. The content must be short.
func (s *slots) write(content string) error {
	s.number++
	body := fmt.Sprintf("%-*s\n", slotLen-crcLen-2, strconv.FormatUint(s.number, 10)+" "+content)
	if len(body) != slotLen-crcLen-1 {
		return fmt.Errorf("a slot cannot hold %d bytes", len(content))
	}
	sum := fmt.Sprintf("%08x ", crc32.Checksum([]byte(body), castagnoli))
	_, err := s.f.WriteAt([]byte(sum+body), int64(s.number%2)*slotLen)
	return err
}

// bootID tells one run of the machine from the next, "" where the system has no such thing.
func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// reject appends a line to the file of records that the store can never hold.
func reject(dir string, b []byte) error {
	f, err := os.OpenFile(filepath.Join(dir, "rejected.ndjson"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, private)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Sync(), f.Close())
}

func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
