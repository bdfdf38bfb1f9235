//go:build e2e

package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestDiskFull fills the disk under a running server: what must be written is 503, what was is still vouched for, and with
// room again it all goes on without a restart. It needs root, to mount a small disk.
func TestDiskFull(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatal("mounting a small disk needs root: run `make e2e` as root")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=12m"); err != nil {
		t.Fatalf("mounting a small disk: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	s := startDev(t, dir)
	commandOn(t, s, 0, "account", "add", "ada")
	pair := s.pair(t, data[apikey](t, s, "apikey", "create", "--account", "ada", "--name", "e2e").Key)
	access, refresh := pair.member("access"), pair.member("refresh")
	met(t, s, access)

	ballast := filepath.Join(dir, "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{1 << 20, 4096, 1} { // to the last byte
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
	}
	if !strings.Contains(err.Error(), "no space left") {
		t.Fatalf("filling the disk: %v", err)
	}
	full, accepted := 0, 0
	for i := 0; i < 400 && full < 5; i++ { // the log may have room left of its own
		r, err := s.refresh(refresh)
		switch {
		case err == nil && r.status == http.StatusOK:
			refresh = r.member("refresh")
		case err == nil && r.status == http.StatusServiceUnavailable && r.header.Get("Retry-After") != "":
			full++
		default:
			t.Fatalf("a rotation on a full disk gets %d %s %v", r.status, r.body, err)
		}
		if yes, other := s.accepts(access); yes {
			accepted++
		} else {
			t.Fatalf("a good token on a full disk gets %q", other)
		}
	}
	if full == 0 {
		t.Fatal("the disk was never full: the test shows nothing")
	}
	if r := command(t, "", "account", "add", "bob", "--data", dir); r.code != 1 || !strings.Contains(r.err, "no room to write") {
		t.Errorf("a command ended with %d: %s", r.code, r.err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	recovers(t, s, access, refresh)
	t.Logf("%d rotations were refused and %d tokens accepted while the disk was full", full, accepted)
}
