package httpio

import (
	"net/netip"
	"strings"
)

// maxHops bounds how far a forwarding chain is followed.
const maxHops = 32

// clientAddr is the peer, or, when the peer is trusted, the rightmost
// forwarded address that is not: what stands left of that one is the client's own
// claim. Nobody trusts the zero Addr, a peer that has none. An entry that is no address ends the walk at the hop that vouched for it.
func clientAddr(peer netip.Addr, forwarded []string, trusted []netip.Prefix) netip.Addr {
	addr, hops := peer, 0
	for i := len(forwarded) - 1; i >= 0; i-- {
		for rest, more := forwarded[i], true; more; hops++ {
			if hops == maxHops || !contains(trusted, addr) {
				return addr
			}
			var entry string
			rest, entry, more = cutLast(rest)
			next, ok := parseAddr(entry)
			if !ok {
				return addr
			}
			addr = next
		}
	}
	return addr
}

// cutLast splits a comma list before its last entry; more is false when that was the
// only one.
func cutLast(list string) (rest, entry string, more bool) {
	i := strings.LastIndexByte(list, ',')
	if i < 0 {
		return "", list, false
	}
	return list[:i], list[i+1:], true
}

// parseAddr reads an address with or without a port or brackets. Zones are dropped and
// IPv4 inside IPv6 becomes IPv4, so that one client has one spelling.
func parseAddr(s string) (netip.Addr, bool) {
	s = strings.Trim(s, " \t")
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().WithZone(""), true
	}
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		s = s[1 : len(s)-1]
	}
	addr, err := netip.ParseAddr(s)
	return addr.Unmap().WithZone(""), err == nil
}

func contains(list []netip.Prefix, addr netip.Addr) bool {
	for _, p := range list {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}
