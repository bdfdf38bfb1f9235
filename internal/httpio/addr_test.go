package httpio

import (
	"net/netip"
	"strings"
	"testing"
)

func TestClientAddr(t *testing.T) {
	trusted := []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("127.0.0.1/32"),
	}
	long := strings.Repeat("10.0.0.9,", 100) + "10.0.0.9"
	for _, tc := range []struct {
		name, peer string
		forwarded  []string
		trusted    []netip.Prefix
		want       string
	}{
		{"no proxy", "198.51.100.7:4000", nil, trusted, "198.51.100.7"},
		{"unlisted peer lies", "198.51.100.7:4000", []string{"10.1.1.1"}, trusted, "198.51.100.7"},
		{"nobody is listed", "127.0.0.1:4000", []string{"198.51.100.7"}, nil, "127.0.0.1"},
		{"listed peer", "10.0.0.1:4000", []string{"198.51.100.7"}, trusted, "198.51.100.7"},
		{"listed peer says nothing", "10.0.0.1:4000", nil, trusted, "10.0.0.1"},
		{"client prepends a lie", "10.0.0.1:4000", []string{"127.0.0.1, 198.51.100.7"}, trusted, "198.51.100.7"},
		{"two hops", "10.0.0.1:4000", []string{"198.51.100.7, 10.0.0.2"}, trusted, "198.51.100.7"},
		{"several headers", "10.0.0.1:4000", []string{"192.0.2.66, 198.51.100.7", "10.0.0.3,10.0.0.2"}, trusted, "198.51.100.7"},
		{"all are listed", "10.0.0.1:4000", []string{"10.0.0.3, 10.0.0.2"}, trusted, "10.0.0.3"},
		{"rubbish at the right", "10.0.0.1:4000", []string{"198.51.100.7, unknown"}, trusted, "10.0.0.1"},
		{"rubbish behind a hop", "10.0.0.1:4000", []string{"198.51.100.7, , 10.0.0.2"}, trusted, "10.0.0.2"},
		{"empty header", "10.0.0.1:4000", []string{""}, trusted, "10.0.0.1"},
		{"port and brackets", "[2001:db8::1]:4000", []string{"[2001:db9::5]:99"}, trusted, "2001:db9::5"},
		{"brackets alone", "10.0.0.1:4000", []string{"[2001:db9::5]"}, trusted, "2001:db9::5"},
		{"IPv4 port", "10.0.0.1:4000", []string{"198.51.100.7:99"}, trusted, "198.51.100.7"},
		{"mapped and zoned", "[::ffff:10.0.0.1]:4000", []string{"fe80::1%eth0"}, trusted, "fe80::1"},
		{"no address", "@", []string{"198.51.100.7"}, trusted, "invalid IP"},
		{"endless chain", "10.0.0.1:4000", []string{"198.51.100.7," + long}, trusted, "10.0.0.9"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			peer, _ := parseAddr(tc.peer)
			if got := clientAddr(peer, tc.forwarded, tc.trusted); got.String() != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func FuzzClientAddr(f *testing.F) {
	f.Add("10.0.0.1:80", "1.2.3.4, 10.0.0.2", "")
	f.Add("[::ffff:10.0.0.1]:80", "[::1]:9", "fe80::1%x,,")
	f.Add("@", ",", "10.0.0.1")
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	f.Fuzz(func(t *testing.T, peer, first, second string) {
		own, ok := parseAddr(peer)
		got := clientAddr(own, []string{first, second}, trusted)
		if (!ok || !contains(trusted, own)) && got != own {
			t.Errorf("unlisted peer %q made us believe %v", peer, got)
		}
		if got.Zone() != "" || got.Is4In6() {
			t.Errorf("%v is not in its plain form", got)
		}
	})
}
