//go:build e2e

package e2e

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// TestBackupAndRestore: what was revoked after the backup does not come back with it, nor does anything issued before; API
// keys live on, and grants are numbered far above all that were given out.
func TestBackupAndRestore(t *testing.T) {
	dir := t.TempDir()
	s := startDev(t, dir)
	commandOn(t, s, 0, "account", "add", "ada")
	key := data[apikey](t, s, "apikey", "create", "--account", "ada", "--name", "e2e").Key
	revoked, kept := s.pair(t, key), s.pair(t, key)
	file := filepath.Join(t.TempDir(), "backup.db")
	commandOn(t, s, 0, "backup", file)
	if r := call(t, "DELETE", s.base+"/api/auth/token/blacklist-all/", "", "Authorization", "Bearer "+revoked.member("access")); r.status/100 != 2 {
		t.Fatalf("revoking: %d %s", r.status, r.body)
	}
	after := s.pair(t, key)
	if r := command(t, "", "restore", file, "--data", dir); r.code != 1 || !strings.Contains(r.err, "already serving") {
		t.Errorf("restoring beside the server ended with %d: %s", r.code, r.err)
	}
	if code := s.stop(t); code != 0 {
		t.Fatalf("stopping ended with %d", code)
	}
	commandOn(t, s, 0, "restore", file)
	s = restart(t, dir)
	for what, pair := range map[string]reply{"revoked after the backup": revoked, "issued before it": kept, "issued after it": after} {
		if yes, other := s.accepts(pair.member("access")); yes || other != "" {
			t.Errorf("an access token %s gets %v %q", what, yes, other)
		}
		if r, err := s.refresh(pair.member("refresh")); err != nil || r.status != http.StatusUnauthorized {
			t.Errorf("a refresh token %s gets %d %v", what, r.status, err)
		}
	}
	fresh := s.pair(t, key)
	met(t, s, fresh.member("access"))
	if gid, _ := claims(t, fresh.member("refresh"))["gid"].(float64); gid < 1<<32 {
		t.Errorf("the new grant is %v, below the jump of the epoch", gid)
	}
}
