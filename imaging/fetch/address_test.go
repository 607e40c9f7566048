package fetch_test

import (
	"errors"
	"net/netip"
	"testing"

	"vitrine/imaging/fetch"
)

func TestCheckAddress(t *testing.T) {
	t.Parallel()
	public := []string{
		"1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "93.184.216.34", "100.63.255.255", "100.128.0.0",
		"126.255.255.255", "128.0.0.0", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0",
		"191.255.255.255", "192.0.1.0", "192.0.3.0", "192.31.196.1", "192.52.193.1", "192.88.98.255", "192.88.100.0",
		"192.167.255.255", "192.169.0.0", "192.175.48.1", "198.17.255.255", "198.20.0.0", "198.51.99.255",
		"198.51.101.0", "203.0.112.255", "203.0.114.0", "223.255.255.255", "::ffff:8.8.8.8",
		"2001:200::1", "2001:4860:4860::8888", "2001:db7:ffff::1", "2001:db9::1", "2003::1", "2400:cb00::1",
		"2606:4700:4700::1111", "2a00:1450::1", "3ffe:ffff::1", "3fff:1000::1", "2620:4f:8000::1",
	}
	refused := []string{
		"0.0.0.0", "0.255.255.255", "10.0.0.0", "10.255.255.255", "100.64.0.0", "100.100.100.200", "100.127.255.255",
		"127.0.0.1", "127.255.255.255", "169.254.0.0", "169.254.169.254", "169.254.255.255", "172.16.0.0",
		"172.31.255.255", "192.0.0.0", "192.0.0.9", "192.0.0.170", "192.0.0.255", "192.0.2.1", "192.88.99.1",
		"192.168.0.0", "192.168.255.255", "198.18.0.0", "198.19.255.255", "198.51.100.1", "203.0.113.255",
		"224.0.0.1", "239.255.255.255", "240.0.0.0", "255.255.255.254", "255.255.255.255",
		"::", "::1", "::127.0.0.1", "::8.8.8.8", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
		"::ffff:0:8.8.8.8", "64:ff9b::8.8.8.8", "64:ff9b::10.0.0.1", "64:ff9b:1::1", "100::1", "100:0:0:1::1",
		"1fff:ffff::1", "4000::1", "5f00::1", "fc00::1", "fd12:3456::1", "fe80::1", "fec0::1", "ff02::1",
		"2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:2::1", "2001:10::1", "2001:20::1", "2001:1ff::1",
		"2001:db8::1", "2002:7f00:1::1", "2002:808:808::1", "3fff::1", "3fff:fff:ffff::1",
		"2a00:1450::5efe:10.0.0.1", "2a00:1450::200:5efe:8.8.8.8",
	}
	for _, text := range public {
		if err := fetch.CheckAddress(netip.MustParseAddr(text), nil); err != nil {
			t.Errorf("%s is public: %v", text, err)
		}
	}
	for _, text := range refused {
		if err := fetch.CheckAddress(netip.MustParseAddr(text), nil); !errors.Is(err, fetch.ErrForbiddenAddress) {
			t.Errorf("%s is not public: %v", text, err)
		}
	}
	for _, addr := range []netip.Addr{{}, netip.MustParseAddr("fe80::1%eth0"), netip.MustParseAddr("2a00:1450::1%1")} {
		if err := fetch.CheckAddress(addr, []netip.Prefix{netip.MustParsePrefix("::/0")}); !errors.Is(err, fetch.ErrForbiddenAddress) {
			t.Errorf("%v is invalid or has a zone: %v", addr, err)
		}
	}
}

func TestCheckAddressWithExtraPrefixes(t *testing.T) {
	t.Parallel()
	extra := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for text, want := range map[string]bool{
		"127.0.0.1": true, "::ffff:127.0.0.1": true, "fd00::1": true, "8.8.8.8": true,
		"10.0.0.1": false, "::1": false, "fc00::1": false, "128.0.0.1": true,
	} {
		if got := fetch.CheckAddress(netip.MustParseAddr(text), extra) == nil; got != want {
			t.Errorf("%s: allowed is %v, want %v", text, got, want)
		}
	}
}
