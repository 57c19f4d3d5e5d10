package edge

import (
	"bufio"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"
)

const (
	hostsCheck = 5 * time.Second
	hostsMax   = 1 << 20
)

// hostsFile is hosts(5), read again when it has changed.
type hostsFile struct {
	path string

	mu      sync.Mutex
	checked time.Time
	changed time.Time
	names   map[string][]netip.Addr
}

func newHostsFile(path string) *hostsFile {
	switch path {
	case "":
		path = "/etc/hosts"
	case "-":
		path = ""
	}
	return &hostsFile{path: path}
}

// lookup gives the addresses of a name. A file that cannot be read holds none.
func (h *hostsFile) lookup(name string) []netip.Addr {
	h.mu.Lock()
	defer h.mu.Unlock()
	if now := time.Now(); h.path != "" && now.Sub(h.checked) >= hostsCheck {
		h.checked = now
		h.refresh()
	}
	return h.names[strings.ToLower(strings.TrimSuffix(name, "."))]
}

func (h *hostsFile) refresh() {
	info, err := os.Stat(h.path)
	if err != nil {
		h.names, h.changed = nil, time.Time{}
		return
	}
	if info.ModTime().Equal(h.changed) {
		return
	}
	f, err := os.Open(h.path)
	if err != nil {
		return
	}
	h.names, h.changed = parseHosts(f), info.ModTime()
	_ = f.Close() // only read: nothing can be lost
}

// parseHosts reads at most 1 MiB; lines it does not understand are passed over.
func parseHosts(r io.Reader) map[string][]netip.Addr {
	names := map[string][]netip.Addr{}
	lines := bufio.NewScanner(io.LimitReader(r, hostsMax))
	for lines.Scan() {
		line, _, _ := strings.Cut(lines.Text(), "#")
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		a, err := netip.ParseAddr(fields[0])
		if err != nil {
			continue
		}
		for _, n := range fields[1:] {
			n = strings.ToLower(n)
			names[n] = append(names[n], a.Unmap().WithZone(""))
		}
	}
	return names
}

func joinPort(host, port string) string { return net.JoinHostPort(host, port) }
