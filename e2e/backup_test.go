//go:build e2e

package e2e

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// restoring is a server whose database goes back to a backup.
type restoring struct {
	t       *testing.T
	s       *server
	key     apikey
	pairs   map[string]reply // :: what it is, when the backup is put back → pair
	old     map[string]string
	offline *holder
}

func (r *restoring) begin() {
	r.pairs, r.old = map[string]reply{}, map[string]string{}
	for _, what := range []string{"revoked after the backup", "rotated after it", "issued before it"} {
		r.pairs[what] = r.s.pair(r.t, r.key.Key)
	}
	r.offline = startHolder(r.t, "verify", r.s.base, "samples")
	if got := r.offline.says(r.t, r.pairs["issued before it"].member("access")); !strings.HasPrefix(got, "good ") {
		r.t.Fatalf("the client library on a good token: %q", got)
	}
}

// goOn is what happens between the backup and the loss. It ends with the emergency removal of the signing key.
func (r *restoring) goOn(run func(args ...string)) {
	r.t.Helper()
	s := r.s
	first := r.pairs["rotated after it"]
	second, err := s.refresh(first.member("refresh"))
	if err != nil || second.status != http.StatusOK {
		r.t.Fatalf("rotating: %d %v", second.status, err)
	}
	r.pairs["made by the rotation"] = second
	r.pairs["issued after it"] = s.pair(r.t, r.key.Key)
	body := `{"refresh":"` + r.pairs["revoked after the backup"].member("refresh") + `"}`
	if answer := call(r.t, "POST", s.base+"/api/auth/token/blacklist/", body, "Content-Type", "application/json"); answer.status/100 != 2 {
		r.t.Fatalf("revoking: %d %s", answer.status, answer.body)
	}
	run("apikey", "revoke", strconv.FormatInt(r.key.ID, 10))
	run("signing-key", "retire", "--now", "--yes", kidOf(first.member("access")))
}

// check wants nothing back, and what is made now to count, here and at the client library that ran all the time.
func (r *restoring) check(key string) {
	r.t.Helper()
	s := r.s
	for what, pair := range r.pairs {
		if yes, other := s.accepts(pair.member("access")); yes || other != "" {
			r.t.Errorf("an access token %s gets %v %q", what, yes, other)
		}
		if answer, err := s.refresh(pair.member("refresh")); err != nil || answer.status != http.StatusUnauthorized {
			r.t.Errorf("a refresh token %s gets %d %v", what, answer.status, err)
		}
	}
	if answer := call(r.t, "POST", s.base+"/api/auth/token/", `{"api_key":"`+r.key.Key+`"}`, "Content-Type", "application/json"); answer.status/100 != 4 {
		r.t.Errorf("the API key that was revoked after the backup gets %d %s", answer.status, answer.body)
	}
	fresh := s.pair(r.t, key)
	met(r.t, s, fresh.member("access"))
	if gid, _ := claims(r.t, fresh.member("refresh"))["gid"].(float64); gid < 1<<32 {
		r.t.Errorf("the new grant is %v, below the jump of the epoch", gid)
	}
	if kid := kidOf(fresh.member("access")); kid == kidOf(r.pairs["issued before it"].member("access")) {
		r.t.Errorf("the key %s signs again, which was removed after the backup", kid)
	}
	keys := call(r.t, "GET", s.base+"/symbolon/keys/samples/jwks.json", "")
	if keys.status != http.StatusOK || strings.Contains(keys.body, kidOf(r.pairs["issued before it"].member("access"))) {
		r.t.Errorf("the key set has the key that was removed (%d): %s", keys.status, keys.body)
	}
	within(r.t, time.Minute, "the client library takes a new token", func() bool {
		return strings.HasPrefix(r.offline.says(r.t, fresh.member("access")), "good ")
	})
	for what, pair := range r.pairs {
		if got := r.offline.says(r.t, pair.member("access")); got != "bad token" && got != "revoked" {
			r.t.Errorf("the client library on a token %s: %q", what, got)
		}
	}
}

// TestBackupAndRestore: what ended after the backup does not come back with it, nor does anything issued before, and grants
// are numbered far above all that were given out.
func TestBackupAndRestore(t *testing.T) {
	s := configured(t)
	dir := s.dir
	commandOn(t, s, 0, "account", "add", "ada")
	r := &restoring{t: t, s: s, key: data[apikey](t, s, "apikey", "create", "--account", "ada", "--name", "e2e")}
	r.begin()
	file := filepath.Join(t.TempDir(), "backup.db")
	commandOn(t, s, 0, "backup", file)
	r.goOn(func(args ...string) { commandOn(t, s, 0, args...) })
	if r := command(t, "", "restore", file, "--data", dir); r.code != 1 || !strings.Contains(r.err, "already serving") {
		t.Errorf("restoring beside the server ended with %d: %s", r.code, r.err)
	}
	if code := s.stop(t); code != 0 {
		t.Fatalf("stopping ended with %d", code)
	}
	commandOn(t, s, 0, "restore", file)
	r.s = restart(t, dir)
	r.check(data[apikey](t, r.s, "apikey", "create", "--account", "ada", "--name", "e2e").Key)
}

// TestBackupAndRestorePostgres is the same with PostgreSQL's own programs, as the manual says.
func TestBackupAndRestorePostgres(t *testing.T) {
	c := startCluster(t, 2*time.Second, "")
	base := c.nodes[0].base
	c.nodes[0].stop(t)
	conf, err := os.ReadFile(c.config(0))
	if err != nil {
		t.Fatal(err)
	}
	save(t, c.config(0), bytes.Replace(conf, []byte("base_url: http://tokens.localhost"), []byte("base_url: "+base), 1))
	c.start(0)
	c.run("account", "add", "ada")
	r := &restoring{t: t, s: c.nodes[0], key: c.apikey("ada")}
	r.begin()
	dump := c.pg.Command("pg_dump", "--format=custom", c.pg.URL("symbolon"))
	var words bytes.Buffer
	dump.Stderr = &words
	backup, err := dump.Output()
	if err != nil {
		t.Fatalf("pg_dump: %v: %s", err, words.String())
	}
	r.goOn(func(args ...string) { c.run(args...) })
	if r := command(t, "", "restored", "--config", c.config(0)); r.code != 1 || !strings.Contains(r.err, "is on this database") {
		t.Errorf("restored beside the server ended with %d: %s", r.code, r.err)
	}
	c.nodes[0].stop(t)
	load := c.pg.Command("pg_restore", "--clean", "--if-exists", "--no-owner", "--dbname="+c.pg.URL("symbolon"))
	load.Stdin = bytes.NewReader(backup)
	if words, err := load.CombinedOutput(); err != nil {
		t.Fatalf("pg_restore: %v: %s", err, words)
	}
	within(t, patience, "the servers that the backup knows have been silent for long enough", func() bool {
		return command(t, "", "restored", "--config", c.config(0)).code == 0
	})
	c.start(0)
	r.s = c.nodes[0]
	r.check(c.apikey("ada").Key)
}
