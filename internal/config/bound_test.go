package config

import (
	"strings"
	"testing"
	"time"
)

func TestRevocationBound(t *testing.T) {
	c := newConfig()
	for _, tc := range []struct {
		dialect, by string
		bound       time.Duration
		never       bool
		text        string
	}{
		{"sesar", "here", 30 * time.Second, false, "within 30s"},
		{"sesar", "list", time.Minute, false, "within 1m"},
		{"sesar", "secret", 24 * time.Hour, false, "within 1d, when it expires"},
		{"edi", "secret", 8 * time.Hour, false, "within 8h, when it expires"},
		{"itempath", "here", 30 * time.Second, false, "within 30s"},
		{"itempath", "secret", 15 * time.Minute, true, "within 15m, when it expires; an application token cannot be ended there"},
	} {
		s := NewService("x", tc.dialect, "/x")
		s.VerifiedBy = tc.by
		if bound, never := s.RevocationBound(c); bound != tc.bound || never != tc.never {
			t.Errorf("%s, %s: %v, %v", tc.dialect, tc.by, bound, never)
		}
		if got := s.BoundText(c); got != tc.text {
			t.Errorf("%s, %s: %q", tc.dialect, tc.by, got)
		}
	}
}

func TestVerifiedByFollowsFromTheKey(t *testing.T) {
	c := Dev(t.TempDir(), "")
	c.Services[0].VerifiedBy, c.Services[0].Sesar.AccessKeyFile = "", "/a"
	c.Services[3].VerifiedBy, c.Services[3].ItemPath.KeyFile = "", "/b"
	c.Resolve()
	var got []string
	for _, s := range c.Services {
		got = append(got, s.VerifiedBy)
	}
	if want := "secret here here secret"; strings.Join(got, " ") != want {
		t.Errorf("%v, want %s", got, want)
	}
	if all := strings.Join(c.Warnings(), "\n"); !strings.Contains(all, "service warehouse is verified_by secret and has application tokens, which never expire") {
		t.Errorf("warnings: %s", all)
	}
}
