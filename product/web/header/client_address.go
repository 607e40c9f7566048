package header

import (
	"net/http"
	"net/netip"
	"sync/atomic"

	"github.com/sirupsen/logrus"
)

const (
	headerForwarded    = "Forwarded" // RFC 7239
	headerForwardedFor = "X-Forwarded-For"
)

// maxHops bounds the consecutive proxies that are followed: a header has room for
// thousands.
const maxHops = 16

// Clients finds the addresses of clients. Forwarding headers count only when trusted
// proxies send them, because anybody can. It is safe for concurrent use.
type Clients struct {
	trusted []netip.Prefix
	header  string // in which trusted proxies name the client
	log     *logrus.Logger
	warned  atomic.Bool
}

// NewClients returns Clients that trust proxies in the given networks. They name the
// client in header: Forwarded, or X-Forwarded-For if header is empty.
func NewClients(trusted []netip.Prefix, header string, log *logrus.Logger) *Clients {
	if header == "" {
		header = headerForwardedFor
	}
	return &Clients{trusted: trusted, header: header, log: log}
}

// Address returns the address of the client: the peer of the connection, or the
// address that trusted proxies report. local reports whether the peer is on this
// machine and not a trusted proxy. An address that cannot be parsed is the zero Addr.
func (o *Clients) Address(r *http.Request) (addr netip.Addr, local bool) {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}, false
	}
	addr = peer.Addr().Unmap().WithZone("")
	if !o.trusts(addr) {
		o.warn(addr, r.Header)
		return addr, addr.IsLoopback()
	}
	if o.header == headerForwarded {
		return o.walk(addr, r.Header.Values(headerForwarded), lastForwarded), false
	}
	return o.walk(addr, r.Header.Values(o.header), lastForwardedFor), false
}

// walk goes back from hop, a trusted proxy, to the first address that is not one.
// Each proxy appends the address that called it, so only entries added by trusted
// proxies are read. A malformed entry ends the walk: what precedes it may be forged.
func (o *Clients) walk(hop netip.Addr, lines []string, last func(line string) (before, entry string, ok bool)) netip.Addr {
	line, more := "", false // what is left of the current line
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

func (o *Clients) trusts(addr netip.Addr) bool {
	for _, p := range o.trusted {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// warn logs once that an undeclared proxy seems to forward requests: all of its
// clients share one limit.
func (o *Clients) warn(peer netip.Addr, h http.Header) {
	if o.warned.Load() || !peer.IsPrivate() && !peer.IsLoopback() || h[headerForwardedFor] == nil && h[headerForwarded] == nil {
		return
	}
	if o.warned.CompareAndSwap(false, true) {
		o.log.WithField("peer", peer.String()).
			Warn("A proxy that is not in TRUSTED_PROXIES forwards requests; all of its clients share one rate limit")
	}
}

// Network returns the name under which an address is limited. An IPv6 network of 64
// bits is one client, because its addresses usually belong to one owner.
func Network(addr netip.Addr) string {
	if addr.Is6() {
		if network, err := addr.Prefix(64); err == nil {
			return network.String()
		}
	}
	return addr.String()
}
