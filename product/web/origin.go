package web

import (
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"

	"github.com/sirupsen/logrus"
)

// headerForwarded is RFC 7239's; X-Forwarded-For is everybody's.
const (
	headerForwarded    = "Forwarded"
	headerForwardedFor = "X-Forwarded-For"
)

// maxHops bounds the proxies in a row that are looked at: a header has room for
// thousands.
const maxHops = 16

// origins tells where requests come from. What forwarding headers say is believed
// of trusted proxies only: anybody can send them.
type origins struct {
	trusted []netip.Prefix
	header  string // in which they name the client
	log     *logrus.Logger
	told    atomic.Bool
}

func newOrigins(trusted []netip.Prefix, header string, log *logrus.Logger) *origins {
	if header == "" {
		header = headerForwardedFor
	}
	return &origins{trusted: trusted, header: header, log: log}
}

// client gives the address of the client: that of the connection's other end, or
// what trusted proxies say it is. near says that the other end is on this machine and
// no trusted proxy. The invalid address stands for one that cannot be read.
func (o *origins) client(r *http.Request) (addr netip.Addr, near bool) {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}, false
	}
	addr = peer.Addr().Unmap().WithZone("")
	if !o.trusts(addr) {
		o.tell(addr, r.Header)
		return addr, addr.IsLoopback()
	}
	if o.header == headerForwarded {
		return o.walk(addr, r.Header.Values(headerForwarded), lastForwarded), false
	}
	return o.walk(addr, r.Header.Values(o.header), lastForwardedFor), false
}

// walk goes back from hop, a trusted proxy, to the first address that is none. Each
// proxy adds the one that it was called from at the end, so only what trusted ones
// have added is looked at. An entry that cannot be read ends the walk: what stands
// before it may be made up.
func (o *origins) walk(hop netip.Addr, lines []string, last func(line string) (before, entry string, ok bool)) netip.Addr {
	line, more := "", false // what is left of the line at hand
	for range maxHops {
		if !more {
			if len(lines) == 0 {
				return hop
			}
			line, lines = lines[len(lines)-1], lines[:len(lines)-1]
		}
		before, entry, ok := last(line)
		if !ok {
			return hop
		}
		addr, ok := parseNode(entry)
		if !ok {
			return hop
		}
		if hop = addr; !o.trusts(hop) {
			return hop
		}
		line, more = before, before != ""
	}
	return hop
}

func (o *origins) trusts(addr netip.Addr) bool {
	for _, p := range o.trusted {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// tell says once in the log that there seems to be a proxy which nobody has declared:
// all of its clients would share one limit.
func (o *origins) tell(peer netip.Addr, h http.Header) {
	if o.told.Load() || !peer.IsPrivate() && !peer.IsLoopback() || h[headerForwardedFor] == nil && h[headerForwarded] == nil {
		return
	}
	if o.told.CompareAndSwap(false, true) {
		o.log.WithField("peer", peer.String()).
			Warn("Requests are forwarded by a proxy that is not among TRUSTED_PROXIES: its clients are taken for one")
	}
}

// limitKey names the client for a limit. An IPv6 network of 64 bits is one client:
// whoever has one address of it mostly has all.
func limitKey(addr netip.Addr) string {
	if addr.Is6() {
		if network, err := addr.Prefix(64); err == nil {
			return network.String()
		}
	}
	return addr.String()
}

// lastForwardedFor takes the last entry off a line of X-Forwarded-For.
func lastForwardedFor(line string) (before, entry string, ok bool) {
	if i := strings.LastIndexByte(line, ','); i >= 0 {
		before, line = line[:i], line[i+1:]
		if before == "" {
			before = "," // so that the empty entry in front is seen
		}
	}
	return before, strings.Trim(line, " \t"), true
}

// parseNode reads an address with or without a port; IPv6 has brackets where there is
// one, and may have them without.
func parseNode(text string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(text)
	if err != nil {
		if inner, found := strings.CutPrefix(text, "["); found && strings.HasSuffix(inner, "]") {
			addr, err = netip.ParseAddr(strings.TrimSuffix(inner, "]"))
			if err == nil && !addr.Is6() {
				return netip.Addr{}, false
			}
		} else {
			var both netip.AddrPort
			both, err = netip.ParseAddrPort(text)
			addr = both.Addr()
		}
	}
	if err != nil || addr.Zone() != "" {
		return netip.Addr{}, false
	}
	return addr.Unmap(), true
}
