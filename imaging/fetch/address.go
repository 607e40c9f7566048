package fetch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
)

// ErrForbiddenAddress means that an address is not on the public internet.
var ErrForbiddenAddress = errors.New("address is not public")

// reservedIPv4 lists the blocks that IANA's IPv4 special-purpose address registry
// (RFC 6890 and its updates) does not mark as globally reachable, and multicast
// (RFC 5771) and class E (RFC 1112). 192.0.0.0/24 contains two globally reachable
// anycast addresses. They serve no pictures and stay forbidden.
var reservedIPv4 = prefixes(
	"0.0.0.0/8",       // this network, RFC 791
	"10.0.0.0/8",      // private, RFC 1918
	"100.64.0.0/10",   // carrier-grade NAT, RFC 6598
	"127.0.0.0/8",     // loopback, RFC 1122
	"169.254.0.0/16",  // link local and cloud metadata, RFC 3927
	"172.16.0.0/12",   // private, RFC 1918
	"192.0.0.0/24",    // IETF protocol assignments, RFC 6890
	"192.0.2.0/24",    // documentation, RFC 5737
	"192.88.99.0/24",  // 6to4 relays, RFC 7526
	"192.168.0.0/16",  // private, RFC 1918
	"198.18.0.0/15",   // benchmarking, RFC 2544
	"198.51.100.0/24", // documentation, RFC 5737
	"203.0.113.0/24",  // documentation, RFC 5737
	"224.0.0.0/4",     // multicast, RFC 5771
	"240.0.0.0/4",     // class E and broadcast, RFC 1112, RFC 919
)

// globalIPv6 is the block of all global unicast addresses (RFC 4291).
var globalIPv6 = netip.MustParsePrefix("2000::/3")

// reservedIPv6 lists the blocks inside 2000::/3 that are reserved, or whose addresses embed
// an IPv4 address that a relay would use.
var reservedIPv6 = prefixes(
	"2001::/23",     // IETF protocol assignments with Teredo and ORCHID, RFC 2928
	"2001:db8::/32", // documentation, RFC 3849
	"2002::/16",     // 6to4, RFC 3056
	"3fff::/20",     // documentation, RFC 9637
)

// CheckAddress returns nil for an address that may be connected to: a public one, or one
// inside an extra prefix. For every other address it returns [ErrForbiddenAddress]: private,
// reserved, multicast, zoned and invalid ones, and IPv6 addresses that embed an IPv4
// address. An IPv4-mapped address counts as the IPv4 address.
func CheckAddress(addr netip.Addr, extra []netip.Prefix) error {
	if !addr.IsValid() {
		return fmt.Errorf("%w: not an IP address", ErrForbiddenAddress)
	}
	if addr.Zone() != "" {
		return fmt.Errorf("%w: %s has a zone", ErrForbiddenAddress, addr)
	}
	addr = addr.Unmap()
	if contains(extra, addr) {
		return nil
	}
	public := !contains(reservedIPv4, addr)
	if addr.Is6() {
		public = globalIPv6.Contains(addr) && !contains(reservedIPv6, addr) && !isISATAP(addr)
	}
	if !public {
		return fmt.Errorf("%w: %s", ErrForbiddenAddress, addr)
	}
	return nil
}

// isISATAP reports whether the interface identifier embeds an IPv4 address: it is then
// 0000:5efe or 0200:5efe, followed by the address (RFC 5214, section 6.1).
func isISATAP(addr netip.Addr) bool {
	b := addr.As16()
	return binary.BigEndian.Uint32(b[8:12])&^0x02000000 == 0x00005efe
}

func contains(list []netip.Prefix, addr netip.Addr) bool {
	for _, p := range list {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

func prefixes(texts ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		list[i] = netip.MustParsePrefix(text)
	}
	return list
}
