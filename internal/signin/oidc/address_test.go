package oidc

import (
	"errors"
	"net/netip"
	"net/url"
	"testing"
)

func TestPublic(t *testing.T) {
	for ip, want := range map[string]bool{
		"8.8.8.8": true, "104.20.228.70": true, "2606:4700::1": true, "64:ff9b::808:808": true, "::ffff:8.8.8.8": true, "198.20.0.1": true,
		"127.0.0.1": false, "127.9.9.9": false, "0.0.0.0": false, "0.1.2.3": false, "10.0.0.1": false, "172.16.0.1": false, "192.168.1.1": false,
		"100.64.0.1": false, "169.254.169.254": false, "192.0.2.1": false, "198.18.0.1": false, "224.0.0.1": false, "240.0.0.1": false, "255.255.255.255": false,
		"::": false, "::1": false, "fe80::1": false, "fe80::1%eth0": false, "fc00::1": false, "fd12::1": false, "fec0::1": false, "ff02::1": false,
		"2001:db8::1": false, "2002:7f00:1::": false, "2001::1": false, "::127.0.0.1": false, "::ffff:127.0.0.1": false, "::ffff:169.254.169.254": false,
		"64:ff9b::7f00:1": false, "64:ff9b::a9fe:a9fe": false, "64:ff9b:1::1": false, "100::1": false,
	} {
		if got := public(netip.MustParseAddr(ip)); got != want {
			t.Errorf("public(%s) = %v", ip, got)
		}
	}
}

// A public provider whose name has come to mean a private address is not asked.
func TestPrivateAddressIsNotDialled(t *testing.T) {
	issuer, err := url.Parse("https://localhost:1")
	if err != nil {
		t.Fatal(err)
	}
	for own, want := range map[bool]bool{true: false, false: true} {
		_, err := newClient(issuer, own).Get(issuer.String())
		if err == nil || errors.Is(err, errPrivate) != want {
			t.Errorf("own %v: %v", own, err)
		}
	}
}
